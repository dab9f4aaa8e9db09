"""The verdict of a decision, and the combined verdict of several decisions."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Verdict(Enum):
    """The verdict of a decision.

    PASSED: no findings that count.
    WARNED: findings that do not block.
    FAILED: findings that block, even if the report is incomplete.
    ERROR: the gate could not judge; blocks like failed.
    """

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    ERROR = "error"

    @property
    def blocks(self) -> bool:
        """Whether users of the subject must refuse it."""
        return self in (Verdict.FAILED, Verdict.ERROR)

    @property
    def exit_code(self) -> int:
        """The exit code of a command: 0, 1 for failed, 3 for error."""
        return {Verdict.FAILED: 1, Verdict.ERROR: 3}.get(self, 0)


_WORST_FIRST = (Verdict.FAILED, Verdict.ERROR, Verdict.WARNED, Verdict.PASSED)


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the combined verdict: the worst one; failed outranks error.

    Without verdicts nothing was judged, which is an error.
    """
    return min(verdicts, key=_WORST_FIRST.index, default=Verdict.ERROR)
