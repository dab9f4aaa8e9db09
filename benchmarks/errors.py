"""What a benchmark can fail with, as one tree.

BenchmarkError
├── UsageError    the command line is wrong; nothing was measured
├── WrongRun      a command under test did not do its work: an error, and not a figure
└── NotPossible   this machine or checkout lacks what a case needs
"""

from __future__ import annotations

from typing import ClassVar


class BenchmarkError(Exception):
    """A benchmark gave no figure.

    Attributes:
        message: what happened, lower case, no full stop.
        hint: what to type or look at next.
        exit_code: of ``python -m benchmarks`` when it ends with this.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BenchmarkError):
    """The command line is wrong."""

    exit_code = 2


class WrongRun(BenchmarkError):
    """A command ended with the wrong result, so its time means nothing."""


class NotPossible(BenchmarkError):
    """Something that a case needs is not there."""
