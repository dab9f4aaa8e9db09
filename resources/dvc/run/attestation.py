"""Attestation: who states what was seen of a stage's run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from resources.dvc.cache.content import Content
from resources.dvc.graph.manifest import Stage
from resources.dvc.run.stage_result import StageResult


class Attestation(Protocol):
    """Is told of every run, whatever started it. Safe for threads."""

    def begin(self) -> None:
        """Get ready before any stage runs: what cannot be stated is said before it is made.

        Raises:
            ResourceError: nothing can be stated.
        """

    def believes(self, stage: Stage, contents: Mapping[str, Content]) -> bool:
        """Whether outs that were restored may stay: what made them is known, or need not be."""

    def attest(self, stage: Stage, result: StageResult) -> None:
        """State what was seen of a stage that has run or was restored.

        Raises:
            ResourceError: it cannot be stated; the stage has then not succeeded.
        """
