"""The result of a stage: its action, outs, usage and observation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from resources.dvc.cache.content import Content, KnownContent, RecordedContent
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.lock.lock_file import LockEntry
from resources.dvc.run.stage_process import Usage
from resources.dvc.staleness.comparison import Comparison


class Action(Enum):
    """The action for a stage, planned or done."""

    RUN = "run"
    RESTORE = "restore"
    SKIP = "skip"


@dataclass(frozen=True)
class Observed:
    """The observation of a run from outside of the stage's processes.

    Attributes:
        inputs: content of the deps before the run, by location.
        changed: locations of deps with other content after the run.
        confined: the processes could not access the hidden files.
        writable: protected places that they could write; ``*`` for all of them.
        after: content of the changed deps after the run, by location.
    """

    inputs: Mapping[str, Content]
    changed: tuple[str, ...]
    started: datetime
    finished: datetime
    confined: bool
    writable: tuple[str, ...] = ()
    after: Mapping[str, Content] = field(default_factory=dict)

    def describe_changed(self) -> list[str]:
        """Describe the changed deps, each with its md5 before and after the run."""

        def show(content: Content | None) -> str:
            return content.md5[:12] if content is not None else "missing"

        return [
            f"{one}: {show(self.inputs.get(one))} before, {show(self.after.get(one))} after"
            for one in self.changed
        ]


@dataclass(frozen=True)
class StageResult:
    """The result of one stage.

    Attributes:
        entry: the lock entry; None for a ``.dvc`` file.
        contents: content of the outs, by location.
        recorded: recorded content of absent outs of a fresh stage, by location.
        ignored: absolute paths to add to ``.gitignore``.
        usage: total usage of the commands; None if no command ran.
        comparison: with the recorded run of the same command, parameters and code, if any.
        observed: the observation; None if the stage neither ran nor was restored.
    """

    action: Action
    reasons: tuple[str, ...] = ()
    entry: LockEntry | None = None
    contents: dict[str, Content] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    usage: Usage | None = None
    comparison: Comparison | None = None
    observed: Observed | None = None
    recorded: dict[str, RecordedContent] = field(default_factory=dict)

    def identify(self, location: str) -> KnownContent | None:
        """Return the content of an out, read or recorded."""
        return self.contents.get(location) or self.recorded.get(location)


def leave(checkout: Checkout, locations: Iterable[str]) -> StageResult:
    """Return the result of a fresh stage, whose outs are unchanged or absent.

    Args:
        locations: locations of its outs; URLs are skipped.
    """
    known = {one: checkout.identify(one) for one in locations if "://" not in one}
    return StageResult(
        Action.SKIP,
        contents={at: one for at, one in known.items() if isinstance(one, Content)},
        recorded={at: one for at, one in known.items() if isinstance(one, RecordedContent)},
    )
