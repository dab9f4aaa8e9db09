"""Own the judgement of the produced model."""

from typing import Any

import pytest

from flight_delays.onnx_model import OnnxModel

from .conftest import ROOT, produced
from .judgement import (
    JUDGEMENTS,
    Flights,
    Judgement,
    judge_metrics,
    large_slices,
)


@pytest.mark.parametrize("judge", JUDGEMENTS, ids=lambda judge: judge.__name__)
def test_produced_model_passes(judge: Judgement, model: OnnxModel, flights: Flights) -> None:
    assert judge(model, flights) == []


def test_metrics_say_what_model_and_data_say(
    metrics: dict[str, Any], model: OnnxModel, flights: Flights
) -> None:
    assert judge_metrics(metrics, model, flights) == []


def test_splits_hold_the_flights_that_they_should(flights: Flights) -> None:
    months = [
        sorted(part["scheduled_departure"].dt.month.unique())
        for part in (flights.train, flights.validation, flights.test)
    ]

    assert months == [[1, 2, 3, 4, 5, 6, 7, 8], [9, 10], [11, 12]]
    # All flights of 2013 but the 8,255 cancelled ones and the 1,175 without an arrival delay.
    assert sum(map(len, (flights.train, flights.validation, flights.test))) == 327_346


def test_model_that_was_not_produced_fails_and_is_not_skipped() -> None:
    with pytest.raises(pytest.fail.Exception, match="not produced yet: models/none.onnx; run: "):
        produced(ROOT / "models" / "none.onnx")


def test_slices_are_there_to_be_judged(flights: Flights) -> None:
    names = [name for name, _ in large_slices(flights.test.reset_index(drop=True))]

    assert {"carrier UA", "carrier WN", "origin EWR", "origin JFK", "origin LGA"} <= set(names)
    assert len(names) >= 12
