"""Watch settings: ``[tool.ml-assets.watch]``: which branches become runs, and how."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from ml_assets.project.settings.table import LONGEST
from security.content.table import Table

T = TypeVar("T")


class Commits(Enum):
    """Which commits of a branch become runs when several have come at once."""

    NEWEST = "newest"
    EACH = "each"

    def pick(self, commits: Sequence[T]) -> Sequence[T]:
        """Return those of some commits, the newest last, that become runs."""
        return commits[-1:] if self is Commits.NEWEST else commits


class Older(Enum):
    """What a newer commit does to the run of an older one of its branch."""

    QUEUE = "queue"
    CANCEL = "cancel"


class First(Enum):
    """What is done with the commits that branches are at when they are seen for the first time."""

    NOTE = "note"
    RUN = "run"


class WriteBack(Enum):
    """Where a run's lock files go."""

    REF = "ref"
    COMMIT = "commit"
    PULL_REQUEST = "pull-request"
    OFF = "off"


@dataclass(frozen=True)
class WatchSettings:
    """How branches are watched.

    Attributes:
        repository: the remote, by its name or its address.
        branches: those that there are of them are watched.
        interval: seconds from one look at the remote to the next.
        ignore: patterns of paths; a commit that changes only such becomes no run.
        signed: a commit becomes a run only with a signature that is trusted.
        runs: how many there are at most at a time; each branch has one at a time.
        keep: days after which a worktree is removed that no run uses.
        keep_size: GiB that worktrees may take up before the oldest ones are removed.
    """

    repository: str = "origin"
    branches: tuple[str, ...] = ("main", "develop")
    interval: float = 30.0
    commits: Commits = Commits.NEWEST
    older: Older = Older.QUEUE
    first: First = First.NOTE
    ignore: tuple[str, ...] = ()
    signed: bool = False
    runs: int = 2
    write_back: WriteBack = WriteBack.REF
    keep: float = 7.0
    keep_size: float = 20.0

    def ignores(self, path: str) -> bool:
        """Whether a change of a file alone is no reason to run."""
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in self.ignore)


def parse_watch_settings(table: Table) -> WatchSettings:
    """Parse the table.

    Raises:
        ConfigurationError: a setting is unknown, or of another type or range.
    """
    default = WatchSettings()
    settings = WatchSettings(
        repository=table.text("repository") or default.repository,
        branches=_branches(table, default.branches),
        interval=float(table.number("interval", default.interval, 1, LONGEST)),
        commits=table.choice("commits", default.commits),
        older=table.choice("older", default.older),
        first=table.choice("first", default.first),
        ignore=table.texts("ignore"),
        signed=table.flag("signed"),
        runs=table.whole_number("runs", 0, 0) or default.runs,
        write_back=table.choice("write-back", default.write_back),
        keep=float(table.number("keep-days", default.keep, 0, LONGEST)),
        keep_size=float(table.number("keep-size", default.keep_size, 0, LONGEST)),
    )
    table.refuse_unknown()
    return settings


def _branches(table: Table, default: tuple[str, ...]) -> tuple[str, ...]:
    """Read names of branches; an empty list watches none."""
    names = table.texts("branches")
    for name in names:
        parts = name.split("/")
        strange = set(name) & set(" ~^:?*[\\") or ".." in name or "@{" in name
        if strange or not all(parts) or any(one[:1] in ".-" for one in parts):
            raise table.unlike("branches", "a list of names of branches")
    return tuple(dict.fromkeys(names)) if "branches" in table else default
