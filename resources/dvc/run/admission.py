"""The admission of stages: whether the inputs of a stage passed their gates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from resources.dvc.cache.content import Content
from resources.dvc.graph.manifest import Stage


class Admission(Protocol):
    """Decides whether a stage may run; called before its commands. Safe for threads."""

    def admit(self, stage: Stage) -> None:
        """Admit a stage.

        Raises:
            ResourceError: an input of the stage did not pass a required gate.
        """

    def note(self, stage: Stage, contents: Mapping[str, Content]) -> None:
        """Record the content of the outs of a fresh stage, by location."""
