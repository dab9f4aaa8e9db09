"""The facts for building gates: the files, models, hashes and machine of one checkout."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_assets.project.model_outs import find_named_models
from ml_assets.project.rules import Rules
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.run.stage_environment import build_environment, find_shell
from resources.errors import ConfigurationError
from resources.git.repository import list_tracked
from security.gates.context import Hashes, ProjectFacts
from security.gates.python.python_files import COMPILED, PythonFiles
from security.gates.python.stage_commands import CommandCode, StageCommand, find_code
from security.gates.settings import Performance

if TYPE_CHECKING:
    from ml_assets.gating.advisories import Advisories


class CheckoutFacts(ProjectFacts):
    """The facts of one checkout, each found when a gate first asks.

    Args:
        rules: source of the settings.
        written: contents of the outs that this run has written, by location.
    """

    def __init__(
        self,
        checkout: Checkout,
        rules: Rules,
        written: Mapping[str, Content],
    ) -> None:
        self._rules = rules
        self._checkout = checkout
        self._protection = rules.protection
        self._written = written

    @property
    def root(self) -> Path:
        """The project's root."""
        return self._checkout.root

    @property
    def performance(self) -> Performance:
        """The settings of the performance test."""
        return self._rules.settings.performance

    @cached_property
    def named_models(self) -> frozenset[str]:
        """Locations of the outs that the project declares as models."""
        manifest, measured = self._checkout.manifest, self.performance.model
        known = {measured} if measured is not None else set()
        return frozenset(find_named_models(manifest)) | (manifest.producer.keys() & known)

    @cached_property
    def hashes(self) -> Mapping[str, Hashes]:
        """The recorded and the present hashes of outs."""
        from ml_assets.gating.recorded_hashes import RecordedHashes

        return RecordedHashes(self._checkout, self._written)

    @cached_property
    def python_files(self) -> PythonFiles:
        """The Python files of the checkout, also those without the suffix."""
        return PythonFiles(self.root, self._find_code)

    def _find_code(self) -> CommandCode:
        return find_code(
            [
                StageCommand(stage.name, stage.file, stage.wdir, text)
                for stage in self._checkout.manifest.stages
                for text in stage.commands
            ]
        )

    @property
    def test_directories(self) -> tuple[str, ...]:
        """The directories of tests that gates run by their settings."""
        gates = self._rules.settings.gates
        suites = (gates.unit_tests, gates.integration_tests, gates.model_validation)
        return tuple(path for suite in suites for path in suite.paths)

    @property
    def protected_paths(self) -> Collection[str]:
        """The paths of the protected branch's files."""
        return self._protection.paths

    @cached_property
    def compiled_files(self) -> frozenset[str]:
        """The compiled Python files that Git tracks."""
        found = (list_tracked(self.root, f"*{suffix}") for suffix in COMPILED)
        return frozenset(path for paths in found for path in paths)

    @cached_property
    def now(self) -> datetime:
        """The time of the first gate that asks."""
        return datetime.now(UTC)

    @cached_property
    def advisories(self) -> Advisories:
        """The user's advisories."""
        from ml_assets.gating.advisories import Advisories, open_store

        return Advisories(open_store(), now=self.now)

    @cached_property
    def shell(self) -> tuple[str, ...]:
        """The shell that starts a stage's command, with its options."""
        return tuple(find_shell(build_environment(os.environ, server=True).variables))

    @property
    def machine(self) -> str:
        """The machine: its name, architecture and number of processors."""
        return f"{platform.node()} {platform.machine()} {os.cpu_count()}"

    def has_file(self, path: str) -> bool:
        """Return whether a file exists here or on the protected branch."""
        return (self.root / path).is_file() or path in self._protection.paths

    def has_directory(self, path: str) -> bool:
        """Return whether a directory exists here or on the protected branch."""
        start = f"{path.rstrip('/')}/"
        known = self._protection.paths
        return (self.root / path).is_dir() or any(one.startswith(start) for one in known)

    def deployed_metrics(self, path: str) -> Mapping[str, float] | None:
        """Return the numbers of a JSON file on the protected branch, by dotted name.

        Raises:
            ConfigurationError: the file is not JSON.
        """
        content = self._protection.read(path).get(path) if self._protection.branch else None
        if content is None:
            return None
        try:
            return dict(_numbers(json.loads(content), ""))
        except (ValueError, RecursionError) as error:
            origin = self._protection.origin
            raise ConfigurationError(
                f"cannot parse: {path} at {origin}", f"fix the file at {origin}"
            ) from error


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a document with their dotted names."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, float(value)
