"""Gate settings: ``[tool.ml-assets.gates]``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ml_assets.project.settings.reader import wrong
from ml_assets.project.settings.setting import Checked, seconds, setting

#: The names of gates, as policies, waivers and Dagster accept them.
_NAME = r"[a-z0-9][a-z0-9_-]*"


@dataclass(frozen=True)
class SuiteSettings:
    """A test suite, run by pytest. The gate exists where one of the directories does."""

    paths: tuple[str, ...] = setting((), "Directories of the tests.")
    sources: tuple[str, ...] = setting(
        (),
        "Directories to measure the coverage of.",
        unset="`src` where it exists",
        example='["src"]',
    )
    arguments: tuple[str, ...] = setting((), "More arguments for pytest.", example='["-n", "2"]')


@dataclass(frozen=True)
class BoundSettings(Checked):
    """The bounds of a metric: `min`, `max`, or both."""

    least: float | None = setting(None, "Smallest value.", key="min", example="0.7")
    most: float | None = setting(None, "Largest value.", key="max", example="1.0")

    def check(self, where: str) -> None:
        """Require one of the bounds."""
        if self == BoundSettings():
            raise wrong(where, "min", "min or max, or both")


@dataclass(frozen=True)
class MarginSettings:
    """How much worse than on the protected branch a metric may be."""

    most: float = setting(
        dataclasses.MISSING,
        "Largest difference to the worse side.",
        minimum=0,
        expected="the largest difference to the worse side, 0 or more",
        example="0.01",
    )
    better: Literal["higher", "lower"] = setting(
        "higher", "Whether higher or lower values are better.", example='"lower"'
    )


@dataclass(frozen=True)
class ModelValidationSettings(SuiteSettings, Checked):
    """The validation of a model by tests, bounds, and margins to the protected branch's metrics."""

    metrics: str | None = setting(
        None, "JSON file with the metrics.", example='"reports/metrics.json"'
    )
    thresholds: Mapping[str, BoundSettings] = setting(
        {},
        "Bounds by the dotted name of a metric.",
        example='{ "test.roc_auc" = { min = 0.7 } }',
    )
    margins: Mapping[str, MarginSettings] = setting(
        {},
        "Margins by the dotted name of a metric.",
        example='{ "test.log_loss" = { most = 0.01, better = "lower" } }',
    )

    def check(self, where: str) -> None:
        """Require the file that thresholds and margins are about."""
        if self.metrics is None and (self.thresholds or self.margins):
            raise wrong(where, "metrics", "the JSON file that thresholds and margins are about")


@dataclass(frozen=True)
class PerformanceBounds:
    """The bounds of the metrics that the [performance test](#performance) reports."""

    most: Mapping[str, float] = setting(
        {}, "Largest values by metric.", example='{ "p95 (ms)" = 2.0 }'
    )
    least: Mapping[str, float] = setting(
        {}, "Smallest values by metric.", example="{ rows_per_second = 20000 }"
    )


@dataclass(frozen=True)
class CommandSettings(Checked):
    """A command of your own as a gate. The table's name (`a-z`, `0-9`, `_`, `-`) is the gate's."""

    command: tuple[str, ...] = setting(
        dataclasses.MISSING,
        "Words of the command; `{report}` is the path of the report to write.",
        example='["python", "tools/licenses.py", "--sarif", "{report}"]',
    )
    judges: Literal["source", "data", "model"] = setting(
        "source", "What the gate checks.", example='"source"'
    )
    reads: tuple[str, ...] = setting(
        (),
        "Patterns of the source files that the command reads.",
        unset="all files",
        example='["requirements/*"]',
    )
    output: Literal["exit-code", "sarif", "junit"] = setting(
        "exit-code",
        "Form of the result. With `exit-code`, 0 passes, 1 is a finding, others are errors.",
        example='"sarif"',
    )

    def check(self, where: str) -> None:
        """Require words."""
        if not self.command or not all(self.command):
            raise wrong(where, "command", 'the words of a command, as in: ["make", "audit"]')


@dataclass(frozen=True)
class GateSettings:
    """The configuration of [gates](gates.md)."""

    python: str | None = setting(
        None,
        "Interpreter of the project's environment.",
        unset="`.venv` in the project, then the first on `PATH`",
        example='".venv/bin/python"',
    )
    timeout: float = seconds(600.0, "Seconds that one tool may take.", example="3600")
    unit_tests: SuiteSettings = setting(SuiteSettings(("tests/unit",)), "The gate `unit-tests`.")
    integration_tests: SuiteSettings = setting(
        SuiteSettings(("tests/integration",)), "The gate `integration-tests`."
    )
    model_validation: ModelValidationSettings = setting(
        ModelValidationSettings(("tests/model_tests",)), "The gate `model-validation`."
    )
    data: Mapping[str, Mapping[str, Any]] = setting(
        {},
        "Expectations of datasets, by path or pattern: `*` within a name, `**` across directories.",
        shape="data",
    )
    performance: PerformanceBounds = setting(PerformanceBounds(), "The gate `performance`.")
    commands: Mapping[str, CommandSettings] = setting(
        {},
        "Gates of your own, by name.",
        rest=True,
        names=_NAME,
        expected="the name of a gate (a-z, 0-9, _ and -) and a table with a command",
    )
