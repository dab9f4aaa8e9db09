"""Admission: whether a stage may read what it is about to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from resources.dvc.cache.content import Content
from resources.dvc.graph.manifest import Stage


class Admission(Protocol):
    """Is asked before a stage's commands run, whatever started the run. Safe for threads."""

    def admit(self, stage: Stage) -> None:
        """Let a stage run.

        Raises:
            ResourceError: something that it reads has not passed what it has to pass.
        """

    def note(self, stage: Stage, contents: Mapping[str, Content]) -> None:
        """Take notice of what a stage's outs hold, by location, now that it is up to date."""
