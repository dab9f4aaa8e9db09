"""The attestation of stages: states how their outs were made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from resources.dvc.cache.content import Content
from resources.dvc.graph.manifest import Stage
from resources.dvc.run.stage_result import StageResult


class Attestation(Protocol):
    """States the run of each stage. Safe for threads."""

    def begin(self) -> None:
        """Prepare before the first stage runs, so that a missing key fails early.

        Raises:
            ResourceError: statements cannot be made.
        """

    def believes(self, stage: Stage, contents: Mapping[str, Content]) -> bool:
        """Whether restored outs may stay: their provenance is known, or not required."""

    def attest(self, stage: Stage, result: StageResult) -> None:
        """State the observation of a stage that ran or was restored.

        Raises:
            ResourceError: the statement cannot be made, so the stage fails.
        """
