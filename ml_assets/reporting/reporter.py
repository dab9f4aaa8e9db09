"""The reporter: told what happens while stages run."""

from __future__ import annotations

import sys
from typing import Protocol

from resources.dvc.run.schedule import Finished
from resources.dvc.run.stage_result import StageResult
from resources.errors import ResourceError


class Reporter(Protocol):
    """Told what happens while stages run; called from several threads."""

    def line(self, stage: str, text: str) -> None:
        """Take one line of a stage's output."""

    def notice(self, text: str) -> None:
        """Take something that a user should know once."""

    def finished(self, finished: Finished[StageResult]) -> None:
        """Take the end of a stage."""

    def aborted(self, error: ResourceError) -> None:
        """Take what ended the run itself, whatever its stages did."""

    def interrupted(self) -> None:
        """Learn that somebody asked the run to end."""


class StandardOutput:
    """A reporter for servers: lines go to standard output, which Dagster keeps for each run."""

    def line(self, stage: str, text: str) -> None:
        """Print one line of a stage's output behind the stage's name."""
        sys.stdout.write(f"[{stage}] {text}\n")
        sys.stdout.flush()

    def notice(self, text: str) -> None:
        """Print a notice."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def finished(self, finished: Finished[StageResult]) -> None:
        """Flush, so that a log that is read while the run goes on is up to date."""
        sys.stdout.flush()

    def aborted(self, error: ResourceError) -> None:
        """Print why the run ended."""
        self.notice(describe_error(error))

    def interrupted(self) -> None:
        """Print that the run was asked to end."""
        self.notice("interrupted: what had finished is recorded")


def describe_error(error: BaseException) -> str:
    """Say what went wrong and what to do, in two lines where both are known."""
    if isinstance(error, ResourceError):
        return f"{error.message}\n  hint: {error.hint}"
    return repr(error)
