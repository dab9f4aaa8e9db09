"""The metrics comparison: the numbers in metrics files, for the summary of a CI job."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ml_assets.reporting.comparison_base import Base
from ml_assets.reporting.value_comparison import compare_values, is_number, list_metrics_files
from resources.dvc.checkout.checkout import Checkout


@dataclass(frozen=True)
class MetricComparison:
    """One metric of one file, now and before; None if it does not exist.

    Attributes:
        name: its keys, joined by dots.
    """

    file: str
    name: str
    now: float | None
    before: float | None

    @property
    def is_changed(self) -> bool:
        """Whether the values differ; NaN equals NaN."""
        if self.now is None or self.before is None:
            return self.now is not self.before
        return self.now != self.before and not (math.isnan(self.now) and math.isnan(self.before))


def compare_metrics(checkout: Checkout, base: Base) -> tuple[list[MetricComparison], list[str]]:
    """Compare all numbers of all metrics files.

    Returns:
        The metrics, and the unreadable files.
    """
    values, unreadable = compare_values(checkout, base, list_metrics_files(checkout))
    metrics = [
        MetricComparison(one.file, one.name, _read_number(one.now), _read_number(one.before))
        for one in values
        if is_number(one.now) or is_number(one.before)
    ]
    return metrics, unreadable


def _read_number(value: Any) -> float | None:
    try:
        return float(value) if is_number(value) else None
    except OverflowError:
        return math.inf
