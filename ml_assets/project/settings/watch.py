"""Watch settings: ``[tool.ml-assets.watch]``."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from security.content.setting import seconds, setting

T = TypeVar("T")

#: The branch names that Git accepts and that mean just one branch (git-check-ref-format).
_PART = r"[^-./ ~^:?*\[\\][^/ ~^:?*\[\\]*"
_BRANCH = rf"(?![\s\S]*(?:\.\.|@\{{)){_PART}(?:/{_PART})*"


class Commits(Enum):
    """The commits that run when several arrive at once."""

    NEWEST = "newest"
    EACH = "each"

    def pick(self, commits: Sequence[T]) -> Sequence[T]:
        """Return the commits that run; the newest is last."""
        return commits[-1:] if self is Commits.NEWEST else commits


class Older(Enum):
    """The effect of a newer commit on the run of an older one."""

    QUEUE = "queue"
    CANCEL = "cancel"


class First(Enum):
    """The treatment of the head of a new branch."""

    NOTE = "note"
    RUN = "run"


class WriteBack(Enum):
    """The destination of a run's lock files."""

    REF = "ref"
    COMMIT = "commit"
    PULL_REQUEST = "pull-request"
    OFF = "off"


@dataclass(frozen=True)
class WatchSettings:
    """The branches that `ml-assets ui` watches, and the runs of their commits."""

    repository: str = setting(
        "origin", "Name of a remote, or address of a repository.", example='"upstream"'
    )
    branches: tuple[str, ...] = setting(
        ("main", "develop"),
        "Branches to watch; an empty list watches none.",
        example='["main", "release/1.0"]',
        empty_list=True,
        distinct=True,
        pattern=_BRANCH,
        expected="names of branches",
    )
    interval: float = seconds(
        30.0,
        "Seconds between two polls of the remote; Dagster's daemon waits at least 5.",
        minimum=1,
        example="60",
    )
    commits: Commits = setting(
        Commits.NEWEST,
        "Of several new commits, run the newest only, or each.",
        example='"each"',
    )
    older: Older = setting(
        Older.QUEUE,
        "While a commit runs, queue a newer one, or cancel the run of the older one.",
        example='"cancel"',
    )
    first: First = setting(
        First.NOTE,
        "For the head of a new branch: only note it, or run it.",
        example='"run"',
    )
    ignore: tuple[str, ...] = setting(
        (),
        "Patterns of paths; a commit that changes only such files does not run.",
        example='["*.md", "docs/*"]',
    )
    signed: bool = setting(False, "Run only commits with a trusted signature.", example="true")
    runs: int = setting(2, "Limit of parallel runs; each branch has one.", minimum=0, example="4")
    write_back: WriteBack = setting(
        WriteBack.REF,
        "Push a run's lock files to `refs/ml-assets/locks/<branch>`, as a commit to the branch, to"
        " the branch `ml-assets/locks/<branch>` for a pull request, or nowhere.",
        example='"pull-request"',
    )
    keep: float = seconds(
        7.0, "Days before an unused worktree is removed.", key="keep-days", example="1.5"
    )
    keep_size: float = seconds(
        20.0, "GiB of worktrees before the oldest ones are removed.", example="50"
    )
    keep_runs: int = setting(
        500,
        "Runs in Dagster's storage before the oldest ones are removed; the last runs of assets and"
        " branches stay.",
        minimum=1,
        example="100",
    )

    def ignores(self, path: str) -> bool:
        """Whether a commit that changes only this file does not run."""
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in self.ignore)
