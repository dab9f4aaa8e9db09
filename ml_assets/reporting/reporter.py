"""The reporter: receives the events of a run."""

from __future__ import annotations

import sys
from typing import Protocol

from resources.dvc.run.schedule import Finished
from resources.dvc.run.stage_result import StageResult
from resources.errors import ResourceError


class Reporter(Protocol):
    """Receive the events of a run, from several threads."""

    def line(self, stage: str, text: str) -> None:
        """Report one line of a stage's output."""

    def notice(self, text: str) -> None:
        """Report a notice for the user."""

    def finished(self, finished: Finished[StageResult]) -> None:
        """Report the end of a stage."""

    def aborted(self, error: ResourceError) -> None:
        """Report an error that ended the run."""

    def interrupted(self) -> None:
        """Report an interrupt."""


class StandardOutput:
    """Report to standard output, which Dagster keeps for each run."""

    def line(self, stage: str, text: str) -> None:
        """Print one line of a stage's output after the stage's name."""
        sys.stdout.write(f"[{stage}] {text}\n")
        sys.stdout.flush()

    def notice(self, text: str) -> None:
        """Print a notice."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def finished(self, finished: Finished[StageResult]) -> None:
        """Flush, so that the log of a running run is current."""
        sys.stdout.flush()

    def aborted(self, error: ResourceError) -> None:
        """Print the error that ended the run."""
        self.notice(describe_error(error))

    def interrupted(self) -> None:
        """Print that the run was interrupted."""
        self.notice("interrupted: finished stages are recorded")


def describe_error(error: BaseException) -> str:
    """Return the message and the hint of an error."""
    if isinstance(error, ResourceError):
        return f"{error.message}\n  hint: {error.hint}"
    return repr(error)
