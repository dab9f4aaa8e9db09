"""The factory of gates: each made from the settings, its module imported when it is needed."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ml_assets.project.rules import Rules
from ml_assets.project.settings.gates import CommandSettings, SuiteSettings
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.run.stage_environment import build_environment, find_shell
from resources.errors import ConfigurationError
from security.gates.interface import Gate, Kind, Place
from security.policy.policy import Environment


class GateFactory:
    """Makes the gates of one checkout.

    Args:
        rules: settings of gates come from there.
        environment: of the policy; it may want a service asked.
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
        self._protection = rules.protection
        self._performance_settings = rules.settings.performance
        self._written = written

    def make(self, name: str) -> Gate:
        """Make a gate by its name."""
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

    def _model_validation(self) -> Gate:
        from security.gates.model_validation import Bound, Margin, ModelValidationGate

        settings = self._settings.model_validation
        known = self._protection.paths
        paths = [
            path
            for path in settings.paths
            if (self._checkout.root / path).is_dir()
            or any(one.startswith(f"{path.rstrip('/')}/") for one in known)
        ]
        return ModelValidationGate(
            paths=tuple(paths),
            arguments=settings.arguments,
            metrics=settings.metrics,
            thresholds={
                name: Bound(bound.least, bound.most) for name, bound in settings.thresholds.items()
            },
            deployed=self._deployed_metrics(settings.metrics) if settings.margins else None,
            margins={
                name: Margin(margin.most, margin.better)
                for name, margin in settings.margins.items()
            },
        )

    def _deployed_metrics(self, path: str | None) -> dict[str, float] | None:
        """Return the metrics that the protected branch's commit has: those of what is deployed.

        None where it has none: the first model is compared with nothing.
        """
        if path is None or self._protection.branch is None:
            return None
        content = self._protection.read(path).get(path)
        if content is None:
            return None
        try:
            return dict(_numbers(json.loads(content), ""))
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(
                f"cannot parse: {path} of {self._protection.origin}", "mend it there"
            ) from error

    def _performance(self) -> Gate:
        from security.gates.performance import PerformanceGate

        variables = build_environment(os.environ, server=True).variables
        return PerformanceGate(
            command=self._performance_settings.command,
            starter=tuple(find_shell(variables)),
            machine=f"{platform.node()} {platform.machine()} {os.cpu_count()}",
            most=self._settings.performance.most,
            least=self._settings.performance.least,
            timeout=self._performance_settings.timeout,
        )

    def _data(self) -> Gate:
        from ml_assets.gating.recorded_hashes import RecordedHashes
        from security.gates.data.expectations import parse_expectations
        from security.gates.data.gate import DataGate

        expectations = parse_expectations(self._settings.data, "tool.ml-assets.gates.data")
        return DataGate(expectations, RecordedHashes(self._checkout, self._written))


def _dependencies(environment: Environment) -> Gate:
    from ml_assets.gating.advisories import Advisories, open_store
    from security.gates.dependencies.gate import DependenciesGate

    now = datetime.now(UTC)
    advisories = Advisories(open_store(), now=now)
    online = environment.rule("dependencies").online
    return DependenciesGate(advisories.open, advisories.identify, at=now, online=online)


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a document with their dotted names."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, float(value)


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
