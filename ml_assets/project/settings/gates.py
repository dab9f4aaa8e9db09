"""The settings of gates: ``[tool.ml-assets.gates]``.

Each gate has defaults that work. A table with a ``command`` is a gate of the project's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ml_assets.project.settings.table import LONGEST
from security.content.table import Table

#: What policies, waivers and Dagster take for the name of a gate.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class SuiteSettings:
    """A test suite.

    Attributes:
        paths: its directories; the gate is there if one of them is.
        sources: directories whose coverage is measured; empty takes ``src`` where there is one.
        arguments: further ones of pytest.
    """

    paths: tuple[str, ...]
    sources: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class BoundSettings:
    """What a metric may be."""

    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class MarginSettings:
    """By how much a metric may be worse than the deployed model's.

    Attributes:
        better: ``higher`` or ``lower``.
    """

    most: float
    better: Literal["higher", "lower"] = "higher"


@dataclass(frozen=True)
class ModelValidationSettings:
    """The validation of a model.

    Attributes:
        metrics: the JSON file that thresholds and margins are about.
        thresholds: bounds by dotted name of a metric.
        margins: by dotted name of a metric.
    """

    suite: SuiteSettings
    metrics: str | None = None
    thresholds: Mapping[str, BoundSettings] = field(default_factory=dict)
    margins: Mapping[str, MarginSettings] = field(default_factory=dict)


@dataclass(frozen=True)
class CommandSettings:
    """A command of the project's own as a gate.

    Attributes:
        judges: ``source``, ``data`` or ``model``.
        reads: patterns of the files of the source tree that it reads; empty takes all.
        output: ``exit-code``, ``sarif`` or ``junit``.
    """

    command: tuple[str, ...]
    judges: str = "source"
    reads: tuple[str, ...] = ()
    output: str = "exit-code"


@dataclass(frozen=True)
class GateSettings:
    """How gates judge.

    Attributes:
        python: the interpreter of the project's environment; None looks for it.
        timeout: seconds that one tool may take.
        environment: patterns of variables that the project's tools get although they look secret.
        data: tables of expectations by pattern of locations.
        most: bounds of the performance test's metrics, from above.
        least: likewise from below.
        commands: the project's own gates, by name.
    """

    python: str | None = None
    timeout: float = 600.0
    unit_tests: SuiteSettings = SuiteSettings(("tests/unit",))
    integration_tests: SuiteSettings = SuiteSettings(("tests/integration",))
    model_validation: ModelValidationSettings = ModelValidationSettings(
        SuiteSettings(("tests/model_tests",))
    )
    data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)
    least: Mapping[str, float] = field(default_factory=dict)
    commands: Mapping[str, CommandSettings] = field(default_factory=dict)


def parse_gate_settings(table: Table) -> GateSettings:
    """Parse the settings of gates.

    Raises:
        ConfigurationError: a setting is unknown, or of another type or range.
    """
    performance, data = table.table("performance"), table.table("data")
    settings = GateSettings(
        python=table.text("python"),
        timeout=float(table.number("timeout", GateSettings.timeout, 0, LONGEST)),
        unit_tests=_suite(table, "unit-tests", GateSettings.unit_tests),
        integration_tests=_suite(table, "integration-tests", GateSettings.integration_tests),
        model_validation=_model_validation(table.table("model-validation")),
        data={pattern: data.get(pattern).mapping() for pattern in data.keys()},
        most=_numbers(performance, "most"),
        least=_numbers(performance, "least"),
        commands={name: _command(table, name) for name in table.unread()},
    )
    performance.refuse_unknown()
    return settings


def _suite(gates: Table, name: str, default: SuiteSettings) -> SuiteSettings:
    table = gates.table(name)
    suite = _suite_of(table, default)
    table.refuse_unknown()
    return suite


def _suite_of(table: Table, default: SuiteSettings) -> SuiteSettings:
    return SuiteSettings(
        paths=table.texts("paths") or default.paths,
        sources=table.texts("sources"),
        arguments=table.texts("arguments"),
    )


def _model_validation(table: Table) -> ModelValidationSettings:
    settings = ModelValidationSettings(
        suite=_suite_of(table, GateSettings.model_validation.suite),
        metrics=table.text("metrics"),
        thresholds={key: _bound(bound) for key, bound in table.tables("thresholds").items()},
        margins={key: _margin(margin) for key, margin in table.tables("margins").items()},
    )
    table.refuse_unknown()
    if settings.metrics is None and (settings.thresholds or settings.margins):
        hint = "write the JSON file that thresholds and margins are about"
        raise table.error("metrics", "missing", hint)
    return settings


def _bound(table: Table) -> BoundSettings:
    bound = BoundSettings(least=_number(table, "min"), most=_number(table, "max"))
    table.refuse_unknown()
    if bound == BoundSettings():
        raise table.error("min", "missing", "write min or max, or both")
    return bound


def _margin(table: Table) -> MarginSettings:
    most, better = table.get("most").number(0), table.text("better") or "higher"
    table.refuse_unknown()
    match better:
        case "higher" | "lower":
            return MarginSettings(float(most), better)
        case _:
            raise table.unlike("better", "higher or lower")


def _numbers(performance: Table, key: str) -> dict[str, float]:
    table = performance.table(key)
    return {name: float(table.number(name, 0.0)) for name in table.keys()}


def _number(table: Table, key: str) -> float | None:
    number = table.number(key, None)
    return None if number is None else float(number)


def _command(gates: Table, name: str) -> CommandSettings:
    value = gates.get(name).value
    if not isinstance(value, dict) or "command" not in value:
        raise gates.error(name, "unknown gate", "write the name of a gate, or add a command to it")
    if not _NAME.fullmatch(name):
        raise gates.error(name, "not the name of a gate", "use a-z, 0-9, _ and - only")
    table = gates.table(name)
    settings = CommandSettings(
        command=table.texts("command"),
        judges=table.text("judges") or "source",
        reads=table.texts("reads"),
        output=table.text("output") or "exit-code",
    )
    table.refuse_unknown()
    if not settings.command or not all(settings.command):
        hint = 'write the words of a command, as in: ["make", "audit"]'
        raise table.error("command", "not a command", hint)
    if settings.judges not in ("source", "data", "model"):
        raise table.unlike("judges", "one of source, data, model")
    if settings.output not in ("exit-code", "sarif", "junit"):
        raise table.unlike("output", "one of exit-code, sarif, junit")
    return settings
