"""Verdicts: the four answers of a gate, and what several of them come to."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Verdict(Enum):
    """What a policy makes of what a gate has found.

    PASSED: judged, and nothing that the policy minds.
    WARNED: judged; there are findings, and none that blocks.
    FAILED: judged; findings that block. It stays that where the rest could not be judged.
    ERROR: could not be judged; blocks like failed.
    """

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    ERROR = "error"

    @property
    def blocks(self) -> bool:
        """Whether whoever needs the judged thing has to refuse it."""
        return self in (Verdict.FAILED, Verdict.ERROR)

    @property
    def exit_code(self) -> int:
        """Return the exit code of the command line: 0, 1 judged and failed, 3 could not judge."""
        return {Verdict.FAILED: 1, Verdict.ERROR: 3}.get(self, 0)


_WORST_FIRST = (Verdict.FAILED, Verdict.ERROR, Verdict.WARNED, Verdict.PASSED)


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Return what several verdicts come to: the worst, where failed outranks error.

    None at all is an error: nothing was judged.
    """
    return min(verdicts, key=_WORST_FIRST.index, default=Verdict.ERROR)
