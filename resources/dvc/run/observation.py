"""The observation of a stage from outside of its processes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from resources.dvc.cache.content import Content, TreeEntry
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
        self._outs = [out.location for out in stage.outs]
        self._inputs = self._read()

    def end(self, commands: StageCommands | None) -> Observed:
        """Read the inputs again, and return the observation.

        Args:
            commands: what ran the stage's commands; None if none ran.
        """
        confined = commands is not None and commands.confined
        writable = commands.writable if commands is not None else ()
        after = self._read()
        changed = [one for one in self._locations if self._differs(one, after.get(one))]
        return Observed(
            self._inputs,
            tuple(changed),
            self._started,
            datetime.now(UTC),
            confined,
            writable,
            {one: after[one] for one in changed if one in after},
        )

    def _differs(self, location: str, after: Content | None) -> bool:
        """Whether a dep differs from before, without what its own stage writes into it."""
        before = self._inputs.get(location)
        if before is None or after is None or None in (before.entries, after.entries):
            return before != after
        return self._select(location, before) != self._select(location, after)

    def _select(self, location: str, content: Content) -> set[TreeEntry]:
        """Return the files of a directory without the stage's outs and Python's bytecode."""
        outs = [one.removeprefix(f"{location}/") for one in self._outs]
        return {
            one
            for one in content.entries or ()
            if "__pycache__" not in one.path.split("/")
            and not any(one.path == out or one.path.startswith(f"{out}/") for out in outs)
        }

    def _read(self) -> Mapping[str, Content]:
        found = {location: self._checkout.read(location) for location in self._locations}
        return {location: content for location, content in found.items() if content is not None}
