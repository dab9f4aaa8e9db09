"""The errors of the benchmarks.

BenchmarkError
├── UsageError    the command line is wrong; nothing was measured
├── WrongRun      a command under test did not do its work, so there is no figure
└── NotPossible   this machine or checkout lacks a requirement of a case
"""

from __future__ import annotations

from typing import ClassVar


class BenchmarkError(Exception):
    """A benchmark gave no figure.

    Attributes:
        message: the problem, in lower case, without a full stop.
        hint: the next command or step.
        exit_code: the exit code of ``python -m benchmarks``.
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
    """A requirement of a case is missing."""
