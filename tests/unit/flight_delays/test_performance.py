"""Own the tests of the performance test: it measures, and its thresholds can fail."""

import math

import pytest
from flight_frames import ROOT, prepared_table
from small_candidates import train

from flight_delays.errors import DataError, ParameterError
from flight_delays.onnx_model import OnnxModel
from flight_delays.parameters import Section, load_parameters
from flight_delays.performance import (
    LEAST,
    MOST,
    Load,
    Thresholds,
    build_report,
    find_failures,
    load_of,
    measure,
    peak_memory,
    thresholds_of,
)

LOAD = Load(single_requests=20, batch_rows=30, batch_requests=5)


@pytest.fixture(scope="module")
def model() -> OnnxModel:
    return OnnxModel(train("gradient_boosting").content)


def test_every_metric_is_measured_and_above_zero(model: OnnxModel) -> None:
    metrics = measure(model, 1024 * 1024, prepared_table(40), LOAD)

    assert set(metrics) == {*MOST, *LEAST}
    assert all(value > 0 for value in metrics.values())
    assert metrics["single_p50_ms"] <= metrics["single_p95_ms"]
    assert metrics["model_size_mib"] == 1.0


def test_fewer_flights_than_a_batch_are_taken_again(model: OnnxModel) -> None:
    assert measure(model, 1, prepared_table(3), LOAD)["rows_per_second"] > 0


def test_no_flights_cannot_be_measured(model: OnnxModel) -> None:
    with pytest.raises(DataError, match="no flight to test the model with"):
        measure(model, 1, prepared_table(3).iloc[:0], LOAD)


def test_peak_memory_is_that_of_this_process() -> None:
    before = peak_memory()
    block = bytearray(before + 64 * 1024 * 1024)

    assert peak_memory() >= len(block)


def thresholds() -> Thresholds:
    return Thresholds(most=dict.fromkeys(MOST, 10.0), least=dict.fromkeys(LEAST, 10.0))


def test_metrics_at_the_thresholds_pass() -> None:
    metrics = dict.fromkeys([*MOST, *LEAST], 10.0)

    report = build_report(metrics, thresholds())

    assert report == {
        "verdict": "passed",
        "metrics": metrics,
        "thresholds": thresholds().as_dict(),
        "failures": [],
    }


@pytest.mark.parametrize("name", [*MOST, *LEAST])
def test_each_threshold_fails_on_its_own(name: str) -> None:
    metrics = dict.fromkeys([*MOST, *LEAST], 10.0)
    metrics[name] = 10.1 if name in MOST else 9.9

    report = build_report(metrics, thresholds())

    assert report["verdict"] == "failed"
    direction = "over" if name in MOST else "under"
    assert report["failures"] == [f"{name}: {metrics[name]:g} is {direction} 10"]


@pytest.mark.parametrize("name", [*MOST, *LEAST])
@pytest.mark.parametrize("value", [None, math.nan])
def test_metric_that_was_not_measured_fails(name: str, value: float | None) -> None:
    metrics = dict.fromkeys([*MOST, *LEAST], 10.0)
    del metrics[name]
    if value is not None:
        metrics[name] = value

    assert len(find_failures(metrics, thresholds())) == 1


def test_parameters_of_the_repository_bound_every_metric() -> None:
    section = load_parameters(ROOT / "params.yaml").section("performance")

    bounds = thresholds_of(section)

    assert (set(bounds.most), set(bounds.least)) == (set(MOST), set(LEAST))
    assert load_of(section.section("load")).single_requests >= 1000


def test_metric_without_a_threshold_is_refused() -> None:
    most = dict.fromkeys(MOST, 1.0)
    del most["single_p95_ms"]
    section = Section("performance", {"most": most, "least": dict.fromkeys(LEAST, 1.0)})

    with pytest.raises(ParameterError, match="missing: performance.most.single_p95_ms"):
        thresholds_of(section)
