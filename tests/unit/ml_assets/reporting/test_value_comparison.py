"""The comparison of single values: what counts as a change, and the difference of numbers."""

import math
from typing import Any

import pytest

from ml_assets.reporting.value_comparison import ABSENT, ValueComparison


def compared(now: Any, before: Any) -> ValueComparison:
    return ValueComparison("metrics.json", "auc", now, before)


@pytest.mark.parametrize(
    ("now", "before"), [(1, ABSENT), (ABSENT, None), (True, 1), (0, False), ("1", 1), ([1], [2])]
)
def test_values_of_different_kinds_differ(now: Any, before: Any) -> None:
    one = compared(now, before)
    assert one.is_changed and one.change is None


@pytest.mark.parametrize("value", [1, 1.5, math.nan, math.inf, None, True, "text", [1], {}])
def test_same_value_is_no_change(value: Any) -> None:
    assert not compared(value, value).is_changed


def test_difference_beyond_the_range_of_floats_is_none_and_no_error() -> None:
    assert compared(10**400, 1).change is None
    assert compared(10**400, 1.5).change is None
    assert compared(3, 1).change == 2
