"""Settings of built-in gates, as declared tables of ``[tool.ml-assets]``.

This module imports nothing heavy: every command reads settings.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from security.content.setting import Checked, seconds, setting


@dataclass(frozen=True)
class Performance:
    """The performance test of a model."""

    command: str = setting(
        "python scripts/performance_tests.py --model {model} --report {report}",
        "Command, run in the project's root; `{model}` and `{report}` are replaced by paths.",
    )
    model: str | None = setting(
        None,
        "Path of the model.",
        unset="the one artifact of type `model`",
        example='"models/classifier.onnx"',
    )
    timeout: float = seconds(600.0, "Seconds that the test may take.", example="60")


@dataclass(frozen=True)
class SuiteSettings:
    """A test suite, run by pytest.

    The gate exists where one of the directories does. Without `tests/unit`, `unit-tests` runs all
    tests that no other gate runs, wherever they are.
    """

    paths: tuple[str, ...] = setting((), "Directories of the tests.")
    sources: tuple[str, ...] = setting(
        (),
        "Directories to measure the coverage of.",
        unset="`src` where it exists",
        example='["src"]',
    )
    arguments: tuple[str, ...] = setting((), "More arguments for pytest.", example='["-n", "2"]')


@dataclass(frozen=True)
class Bound(Checked):
    """The bounds of a metric: `min`, `max`, or both."""

    least: float | None = setting(None, "Smallest value.", key="min", example="0.7")
    most: float | None = setting(None, "Largest value.", key="max", example="1.0")

    def fault(self) -> tuple[str, str] | None:
        """Require one of the bounds."""
        return ("min", "min or max, or both") if self == Bound() else None


@dataclass(frozen=True)
class Margin:
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
    thresholds: Mapping[str, Bound] = setting(
        {},
        "Bounds by the dotted name of a metric.",
        example='{ "test.roc_auc" = { min = 0.7 } }',
    )
    margins: Mapping[str, Margin] = setting(
        {},
        "Margins by the dotted name of a metric.",
        example='{ "test.log_loss" = { most = 0.01, better = "lower" } }',
    )

    def fault(self) -> tuple[str, str] | None:
        """Require the file that thresholds and margins are about."""
        if self.metrics is None and (self.thresholds or self.margins):
            return "metrics", "the JSON file that thresholds and margins are about"
        return None


@dataclass(frozen=True)
class PerformanceBounds:
    """The bounds of the metrics that the [performance test](#performance) reports."""

    most: Mapping[str, float] = setting(
        {}, "Largest values by metric.", example='{ "p95 (ms)" = 2.0 }'
    )
    least: Mapping[str, float] = setting(
        {}, "Smallest values by metric.", example="{ rows_per_second = 20000 }"
    )
