"""The kit of gates: every gate of a project, made from its settings, and what each has to judge."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from ml_assets.gate_settings import CommandSettings, SuiteSettings
from ml_assets.judging import SOURCE, Case
from ml_assets.rules import Rules
from ml_assets.settings import Performance
from ml_assets.subjects import find_models, find_named_data, find_named_models
from resources.dvc.checkout import Checkout
from resources.dvc.content import Content
from resources.errors import ConfigurationError
from security.gates.interface import Gate, Kind, Place
from security.policy import Environment

Wants: TypeAlias = Callable[[str], bool]


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


#: The gates that every project has, by what they judge; the project's own come after them.
_BUILT_IN = {
    "format": Kind.SOURCE,
    "lint": Kind.SOURCE,
    "types": Kind.SOURCE,
    "code-security": Kind.SOURCE,
    "secrets": Kind.SOURCE,
    "workflows": Kind.SOURCE,
    "dependencies": Kind.SOURCE,
    "unit-tests": Kind.SOURCE,
    "integration-tests": Kind.SOURCE,
    "data": Kind.DATA,
    "model-file": Kind.MODEL,
    "model-validation": Kind.MODEL,
    "performance": Kind.MODEL,
}
#: Gates of what the repository itself calls a model, and not of all that looks like one.
_OF_NAMED_MODELS = ("model-validation", "performance")


class GateKit:
    """The gates of one checkout. Each is made, and its module imported, when it is first needed.

    Args:
        rules: settings of gates come from there.
        environment: of the policy; a gate that it turns off has no cases.
        written: what outs are known to hold that were made just now, by location.
    """

    def __init__(
        self,
        checkout: Checkout,
        rules: Rules,
        environment: Environment,
        written: Mapping[str, Content],
    ) -> None:
        self._checkout = checkout
        self._environment = environment
        self._settings = rules.settings.gates
        self._performance_settings = rules.settings.performance
        self._written = written
        self._gates: dict[str, Gate] = {}
        self._guard = threading.Lock()

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """What each gate judges, by its name."""
        own = {name: Kind(one.judges) for name, one in self._settings.commands.items()}
        return {**_BUILT_IN, **own}

    def gate(self, name: str) -> Gate:
        """Return a gate by its name."""
        with self._guard:
            if name not in self._gates:
                self._gates[name] = self._make(name)
            return self._gates[name]

    def source_cases(self, files: Collection[str], wants: Wants) -> list[Case]:
        """Return the gates that have something to judge in the source tree.

        Args:
            files: of the source tree.
            wants: says of which gates, by name.
        """
        names = [name for name, kind in self.kinds.items() if kind is Kind.SOURCE and wants(name)]
        gates = map(self.gate, names)
        return [Case(gate, SOURCE) for gate in gates if _has_something(gate, files)]

    def out_cases(self, location: str, wants: Wants) -> list[Case]:
        """Return the gates that have something to judge in an out, which there are none if it is
        not there.
        """
        if not os.path.lexists(self._checkout.path(location)):
            return []
        return self.declared_cases(location, wants)

    def declared_cases(self, location: str, wants: Wants) -> list[Case]:
        """Return the gates of an out, whether or not it is there."""
        kind = Kind.MODEL if location in self.models else Kind.DATA
        return [
            Case(self.gate(name), location)
            for name, judged in self.kinds.items()
            if judged is kind and wants(name) and self._judges(name, location)
        ]

    def _judges(self, name: str, location: str) -> bool:
        if name == "performance":
            return location == self._measured
        if name == "model-validation":
            suite = self._settings.model_validation.suite
            return location in self._named_models and (
                any((self._checkout.root / path).is_dir() for path in suite.paths)
                or self._settings.model_validation.metrics is not None
            )
        return True

    @cached_property
    def models(self) -> frozenset[str]:
        """The outs that are models."""
        return frozenset(find_models(self._checkout.manifest))

    @cached_property
    def named_data(self) -> frozenset[str]:
        """The outs that the repository itself calls data."""
        return frozenset(find_named_data(self._checkout.manifest, self._settings.data))

    @cached_property
    def _named_models(self) -> frozenset[str]:
        return frozenset(find_named_models(self._checkout.manifest))

    @cached_property
    def _measured(self) -> str | None:
        """The one model that there is a performance test for."""
        settings = self._performance_settings
        if settings.model is not None:
            return settings.model
        script = self._checkout.root / "scripts" / "performance_tests.py"
        if settings.command == Performance.command and not script.is_file():
            return None
        return next(iter(self._named_models)) if len(self._named_models) == 1 else None

    def _make(self, name: str) -> Gate:
        own = self._settings.commands.get(name)
        if own is not None:
            return _own_gate(name, own, self._settings.timeout)
        match name:
            case "format":
                from security.gates.format import FormatGate

                return FormatGate()
            case "lint":
                from security.gates.lint import LintGate

                return LintGate()
            case "types":
                from security.gates.type_check import TypeCheckGate

                return TypeCheckGate()
            case "code-security":
                from security.gates.code_security import CodeSecurityGate

                return CodeSecurityGate()
            case "secrets":
                from security.gates.secrets import SecretsGate

                return SecretsGate()
            case "workflows":
                from security.gates.workflows import WorkflowsGate

                return WorkflowsGate()
            case "dependencies":
                return _dependencies(self._environment)
            case "unit-tests":
                return self._suite(name, self._settings.unit_tests)
            case "integration-tests":
                return self._suite(name, self._settings.integration_tests)
            case "data":
                return self._data()
            case "model-file":
                from security.gates.model_file import ModelFileGate

                return ModelFileGate()
            case "model-validation":
                return self._model_validation()
            case "performance":
                return self._performance()
            case _:
                raise AssertionError(f"a gate that nobody makes: {name}")

    def _suite(self, name: str, settings: SuiteSettings) -> Gate:
        from security.gates.test_suite import TestSuiteGate

        return TestSuiteGate(
            name=name,
            paths=settings.paths,
            sources=settings.sources or self._sources,
            arguments=settings.arguments,
        )

    @property
    def _sources(self) -> tuple[str, ...]:
        return ("src",) if (self._checkout.root / "src").is_dir() else ()

    def _data(self) -> Gate:
        from ml_assets.recorded_hashes import RecordedHashes
        from security.gates.data import DataGate
        from security.gates.data_expectations import parse_expectations

        expectations = parse_expectations(self._settings.data, "tool.ml-assets.gates.data")
        return DataGate(expectations, RecordedHashes(self._checkout, self._written))


def _dependencies(environment: Environment) -> Gate:
    from ml_assets.advisories import Advisories, open_store
    from security.gates.dependencies import DependenciesGate

    now = datetime.now(UTC)
    advisories = Advisories(open_store(), now=now)
    online = environment.rule("dependencies").online
    return DependenciesGate(advisories.open, advisories.identify, at=now, online=online)


def _has_something(gate: Gate, files: Collection[str]) -> bool:
    """Whether a gate has anything to judge in the source tree."""
    if gate.name == "dependencies":
        return True  # if no file lists any package, what is installed is judged
    paths = getattr(gate, "paths", None)  # of a test suite, which reads more than its tests
    if paths is not None:
        return any(path.startswith(f"{top.rstrip('/')}/") for path in files for top in paths)
    return any(gate.reads(path) and not gate.configures(path) for path in files)


def _own_gate(name: str, settings: CommandSettings, timeout: float) -> Gate:
    from security.gates.command import CommandGate, Output

    kind = Kind(settings.judges)
    return CommandGate(
        name=name,
        kind=kind,
        command=settings.command,
        reads_patterns=settings.reads,
        output=Output(settings.output),
        place=Place.COPY if kind is Kind.SOURCE else Place.CHECKOUT,
        timeout=timeout,
    )
