"""The result of a stage: what became of it, and what was seen while it ran."""

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
    """What a stage needs, or what was done with it."""

    RUN = "run"
    RESTORE = "restore"
    SKIP = "skip"


@dataclass(frozen=True)
class Observed:
    """What was seen of a run from outside of the stage's processes.

    Attributes:
        inputs: what its deps held before, by location.
        changed: deps that held something else afterwards.
        confined: its processes could not reach what was denied to them.
    """

    inputs: Mapping[str, Content]
    changed: tuple[str, ...]
    started: datetime
    finished: datetime
    confined: bool


@dataclass(frozen=True)
class StageResult:
    """What became of one stage.

    Attributes:
        entry: its lock entry; None for a ``.dvc`` file.
        contents: what its outs hold, by location.
        recorded: what is recorded of those outs of a fresh stage that are not here.
        ignored: absolute paths that Git should ignore.
        usage: of its commands, together; None when none ran.
        comparison: with the recorded run of the same command, parameters and code, if any.
        observed: None where nothing was run or restored.
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
        """Return what an out holds, or is recorded to hold."""
        return self.contents.get(location) or self.recorded.get(location)


def leave(checkout: Checkout, locations: Iterable[str]) -> StageResult:
    """Return the result of a fresh stage, whose outs lie where they are recorded, or are absent.

    Args:
        locations: of its outs; those that are no paths are left out.
    """
    known = {one: checkout.identify(one) for one in locations if "://" not in one}
    return StageResult(
        Action.SKIP,
        contents={at: one for at, one in known.items() if isinstance(one, Content)},
        recorded={at: one for at, one in known.items() if isinstance(one, RecordedContent)},
    )
