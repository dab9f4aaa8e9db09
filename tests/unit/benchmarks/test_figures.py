"""The arithmetic: medians, ratios, costs, and what counts as met."""

import math

import pytest

from benchmarks.figures import (
    Figure,
    Limit,
    Series,
    Unit,
    Verdict,
    divide,
    judge,
    overhead_ms,
    ratio,
    stage_cost_ms,
)
from benchmarks.measurement import Sample


def series(*seconds: float, stages: int = 10) -> Series:
    """Return a series whose runs took these times."""
    return Series("one", "command", stages, tuple(Sample(one, one / 2) for one in seconds))


def figure(value: float | None, target: float | None = 0.5) -> Figure:
    """Return a figure with a target."""
    return Figure("figure", Unit.RATIO, value, target)


def test_median_of_an_odd_and_an_even_number_of_runs() -> None:
    assert series(3.0, 1.0, 100.0).median_seconds == 3.0
    assert series(4.0, 1.0, 2.0, 100.0).median_seconds == 3.0
    assert series(3.0, 1.0, 100.0).median_cpu_seconds == 1.5


def test_a_series_without_runs_has_no_median() -> None:
    assert series().median_seconds is None
    assert series().median_cpu_seconds is None


def test_ratio_is_ours_over_the_peer() -> None:
    assert ratio(series(1.0, 2.0, 3.0), series(8.0)) == 0.25


@pytest.mark.parametrize("peer", [None, series(), series(0.0)])
def test_ratio_without_a_peer_is_no_number(peer: Series | None) -> None:
    assert ratio(series(1.0), peer) is None


def test_ratio_without_ours_is_no_number() -> None:
    assert ratio(series(), series(1.0)) is None


@pytest.mark.parametrize("divisor", [None, 0.0, -1.0])
def test_division_by_no_time_is_no_number(divisor: float | None) -> None:
    assert divide(1.0, divisor) is None


def test_overhead_is_milliseconds_per_stage_on_top_of_the_bare_commands() -> None:
    assert overhead_ms(series(2.5, stages=200), series(0.5, stages=200)) == pytest.approx(10.0)


def test_overhead_of_different_numbers_of_stages_is_refused() -> None:
    with pytest.raises(ValueError, match="different numbers of stages: 200 and 100"):
        overhead_ms(series(2.5, stages=200), series(0.5, stages=100))


def test_overhead_without_a_run_is_no_number() -> None:
    assert overhead_ms(series(stages=5), series(0.5, stages=5)) is None
    assert overhead_ms(series(0.5, stages=5), series(stages=5)) is None


def test_cost_per_stage_leaves_out_what_one_stage_takes() -> None:
    assert stage_cost_ms(series(1.1, stages=500), series(0.1, stages=1)) == pytest.approx(2.0)
    assert stage_cost_ms(series(1.1, stages=500), series(stages=1)) is None


def test_a_target_is_met_up_to_and_at_its_value() -> None:
    assert figure(0.5).verdict is Verdict.MET
    assert figure(0.5000001).verdict is Verdict.MISSED


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_was_not_measured_is_never_met(value: float | None) -> None:
    assert figure(value).verdict is Verdict.NOT_MEASURED


def test_a_missing_peer_is_never_met() -> None:
    limit = Limit("dvc repro", Unit.RATIO, 0.1)
    missing = limit.figure(ratio(series(0.001), None))
    assert judge([missing]) is Verdict.NOT_MEASURED
    assert judge([missing, figure(0.1)]) is Verdict.NOT_MEASURED


def test_a_case_is_met_only_when_each_of_its_targets_is() -> None:
    assert judge([figure(0.1), figure(0.2), figure(None, None)]) is Verdict.MET
    assert judge([figure(0.1), figure(0.6)]) is Verdict.MISSED


def test_a_missed_target_outranks_one_not_measured() -> None:
    assert judge([figure(None), figure(0.6)]) is Verdict.MISSED


def test_a_case_without_targets_is_not_met() -> None:
    assert judge([]) is Verdict.NOT_MEASURED
    assert judge([figure(0.1, None)]) is Verdict.NOT_MEASURED


def test_a_limit_reads_as_its_figure_is_judged() -> None:
    limit = Limit("dvc repro", Unit.RATIO, 0.25)
    assert str(limit) == "≤ 0.25 × dvc repro"
    assert limit.figure(0.25).verdict is Verdict.MET
    assert limit.figure(0.26).verdict is Verdict.MISSED
