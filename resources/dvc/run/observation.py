"""The observation of a stage from outside of its processes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Stage
from resources.dvc.run.stage_commands import StageCommands
from resources.dvc.run.stage_result import Observed


class Observation:
    """Reads the inputs of a stage before and after its run."""

    def __init__(self, checkout: Checkout, stage: Stage) -> None:
        self._checkout = checkout
        self._started = datetime.now(UTC)
        self._locations = [dep.location for dep in stage.deps if "://" not in dep.location]
        self._inputs = self._read()

    def end(self, commands: StageCommands | None) -> Observed:
        """Read the inputs again, and return the observation.

        Args:
            commands: what ran the stage's commands; None if none ran.
        """
        confined = commands is not None and commands.confined
        writable = commands.writable if commands is not None else ()
        after = self._read()
        changed = [one for one in self._locations if self._inputs.get(one) != after.get(one)]
        finished = datetime.now(UTC)
        return Observed(self._inputs, tuple(changed), self._started, finished, confined, writable)

    def _read(self) -> Mapping[str, Content]:
        found = {location: self._checkout.read(location) for location in self._locations}
        return {location: content for location, content in found.items() if content is not None}
