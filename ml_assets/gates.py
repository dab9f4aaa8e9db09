"""The kit of gates: every gate of a project, made from its settings, and what each has to judge."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from ml_assets.advisories import Advisories, open_store
from ml_assets.gate_settings import CommandSettings, GateSettings, SuiteSettings
from ml_assets.judging import SOURCE, Case
from ml_assets.project import Project
from ml_assets.rules import Rules
from ml_assets.subjects import find_data, find_models, find_named_data
from resources.dvc.checkout import Checkout
from resources.dvc.content import Content
from resources.errors import ConfigurationError
from security.gates.code_security import CodeSecurityGate
from security.gates.command import CommandGate, Output
from security.gates.data import DataGate, Hashes
from security.gates.data_expectations import parse_expectations
from security.gates.dependencies import DependenciesGate
from security.gates.format import FormatGate
from security.gates.interface import Gate, Kind, Place
from security.gates.lint import LintGate
from security.gates.model_file import ModelFileGate
from security.gates.secrets import SecretsGate
from security.gates.test_suite import TestSuiteGate
from security.gates.workflows import WorkflowsGate
from security.policy import Environment


def find_interpreter(root: Path, named: str | None, variables: Mapping[str, str]) -> Path | None:
    """Find the interpreter of a project's environment.

    It is what the settings name, else that of ``.venv`` in the project, else the first on PATH.

    Raises:
        ConfigurationError: the settings name what is not there.
    """
    if named is not None:
        path = root / named
        if not path.is_file():
            raise ConfigurationError(
                f"no such interpreter: {path}", "set gates.python, or make the environment"
            )
        return path
    own = root / ".venv" / "bin" / "python"
    if own.is_file():
        return own
    for name in ("python3", "python"):
        found = shutil.which(name, path=variables.get("PATH", ""))
        if found is not None and os.path.isabs(found):
            return Path(found)
    return None


class GateKit:
    """The gates of one checkout.

    Args:
        rules: settings of gates come from there.
        environment: of the policy; it may want a service asked.
        written: what outs are known to hold that were made just now, by location.
    """

    def __init__(
        self,
        project: Project,
        checkout: Checkout,
        rules: Rules,
        environment: Environment,
        written: Mapping[str, Content],
    ) -> None:
        self._project = project
        self._checkout = checkout
        self._rules = rules
        self._environment = environment
        self._written = written
        self._advisories = Advisories(open_store(), now=datetime.now(UTC))

    @property
    def _settings(self) -> GateSettings:
        return self._rules.settings

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all gates that the project can have, whether or not they have anything."""
        return tuple(dict.fromkeys(gate.name for gate in self._all))

    @cached_property
    def _source_gates(self) -> list[Gate]:
        gates: list[Gate] = [
            FormatGate(),
            LintGate(),
            CodeSecurityGate(),
            SecretsGate(),
            WorkflowsGate(),
            DependenciesGate(
                self._advisories.open,
                self._advisories.identify,
                at=datetime.now(UTC),
                online=self._environment.rule("dependencies").online,
            ),
            self._suite("unit-tests", self._settings.unit_tests),
            self._suite("integration-tests", self._settings.integration_tests),
        ]
        return [*gates, *self._own_gates(Kind.SOURCE)]

    def _suite(self, name: str, settings: SuiteSettings) -> TestSuiteGate:
        has_src = (self._checkout.root / "src").is_dir()
        return TestSuiteGate(
            name=name,
            paths=settings.paths,
            sources=settings.sources or (("src",) if has_src else ()),
            arguments=settings.arguments,
        )

    @cached_property
    def _model_gates(self) -> list[Gate]:
        return [ModelFileGate(), *self._own_gates(Kind.MODEL)]

    @cached_property
    def _data_gates(self) -> list[Gate]:
        expectations = parse_expectations(self._settings.data, "tool.ml-assets.gates.data")
        hashes = _Recorded(self._checkout, self._written)
        return [DataGate(expectations, hashes), *self._own_gates(Kind.DATA)]

    @property
    def _all(self) -> list[Gate]:
        return [*self._source_gates, *self._data_gates, *self._model_gates]

    def _own_gates(self, kind: Kind) -> Iterator[Gate]:
        for name, settings in self._settings.commands.items():
            if settings.judges == kind.value:
                yield _own_gate(name, settings, kind, self._settings.timeout)

    def cases(self, files: Collection[str]) -> list[Case]:
        """Return everything that there is to judge.

        Args:
            files: of the source tree.
        """
        manifest = self._checkout.manifest
        cases = self.source_cases(files)
        for location in (*find_data(manifest), *find_models(manifest)):
            cases += self.out_cases(location)
        return cases

    def source_cases(self, files: Collection[str]) -> list[Case]:
        """Return the gates that have something to judge in the source tree."""
        return [Case(gate, SOURCE) for gate in self._source_gates if _has_something(gate, files)]

    def out_cases(self, location: str) -> list[Case]:
        """Return the gates that an out has to pass, if it is there."""
        if not os.path.lexists(self._checkout.path(location)):
            return []
        if location in self._models:
            return [Case(gate, location) for gate in self._model_gates]
        return [Case(gate, location) for gate in self._data_gates]

    def is_model(self, location: str) -> bool:
        """Whether an out is a model."""
        return location in self._models

    def shown_cases(self, location: str) -> list[Case]:
        """Return the gates of an out that its page shows: of models, and of what is called data."""
        if location in self._models:
            return [Case(gate, location) for gate in self._model_gates]
        if location in self._named_data:
            return [Case(gate, location) for gate in self._data_gates]
        return []

    @cached_property
    def _named_data(self) -> frozenset[str]:
        return frozenset(find_named_data(self._checkout.manifest, self._settings.data))

    @cached_property
    def _models(self) -> frozenset[str]:
        return frozenset(find_models(self._checkout.manifest))


def _has_something(gate: Gate, files: Collection[str]) -> bool:
    """Whether a gate has anything to judge in the source tree."""
    match gate:
        case DependenciesGate():
            return True  # if no file lists any package, what is installed is judged
        case TestSuiteGate(paths=paths):
            return any(path.startswith(f"{top.rstrip('/')}/") for path in files for top in paths)
        case _:
            return any(gate.reads(path) and not gate.configures(path) for path in files)


class _Recorded(Mapping[str, Hashes]):
    """The hashes of outs: as recorded, and as they are now. Each is looked up when it is asked for.

    Args:
        written: what a run that is under way has just made: its record is not written yet.
    """

    def __init__(self, checkout: Checkout, written: Mapping[str, Content]) -> None:
        self._checkout = checkout
        self._written = written

    def __getitem__(self, location: str) -> Hashes:
        content = self._checkout.read(location)
        return Hashes(self._recorded(location), content.md5 if content is not None else None)

    def _recorded(self, location: str) -> str | None:
        if location in self._written:
            return self._written[location].md5
        stage = self._checkout.manifest.producer[location]
        out = next(out for out in stage.outs if out.location == location)
        if stage.is_source:
            fields: Mapping[str, object] = out.recorded or {}
        else:
            entry = self._checkout.recorded(stage) or {}
            outs = entry.get("outs", ())
            fields = next((fields for fields in outs if fields.get("path") == out.path), {})
        md5 = fields.get("md5")
        return md5 if isinstance(md5, str) else None

    def __iter__(self) -> Iterator[str]:
        return iter(self._checkout.manifest.producer)

    def __len__(self) -> int:
        return len(self._checkout.manifest.producer)


def _own_gate(name: str, settings: CommandSettings, kind: Kind, timeout: float) -> CommandGate:
    return CommandGate(
        name=name,
        kind=kind,
        command=settings.command,
        reads_patterns=settings.reads,
        output=Output(settings.output),
        place=Place.COPY if kind is Kind.SOURCE else Place.CHECKOUT,
        timeout=timeout,
    )
