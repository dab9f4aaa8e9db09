"""Own the tests of the baseline."""

import pandas as pd
import pytest

from flight_delays.baseline import fit_baseline
from flight_delays.errors import DataError

HISTORY = pd.DataFrame(
    {
        "carrier": ["AA", "AA", "AA", "UA"],
        # 08:00, 08:59, 09:00, 08:30
        "departure_minute": [480.0, 539.0, 540.0, 510.0],
        "late": [1, 0, 1, 0],
    }
)


def test_rate_is_that_of_the_same_carrier_and_hour() -> None:
    # So often that the prior hardly shows.
    baseline = fit_baseline(pd.concat([HISTORY] * 10_000))

    flights = pd.DataFrame({"carrier": ["AA", "AA", "UA"], "departure_minute": [481, 599, 480]})
    assert baseline.probabilities(flights).tolist() == pytest.approx([0.5, 1.0, 0.0], abs=0.01)


def test_rate_of_a_single_flight_stays_near_the_overall_rate() -> None:
    flights = pd.DataFrame({"carrier": ["AA", "UA"], "departure_minute": [540, 510]})

    # One late flight, and one that was not, each beside twenty at the overall rate of a half.
    expected = [(1 + 10) / 21, (0 + 10) / 21]
    assert fit_baseline(HISTORY).probabilities(flights).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("carrier", "minute"), [("ZZ", 480), ("UA", 540)])
def test_carrier_never_seen_in_that_hour_gets_the_overall_rate(carrier: str, minute: int) -> None:
    flights = pd.DataFrame({"carrier": [carrier], "departure_minute": [minute]})

    assert fit_baseline(HISTORY).probabilities(flights).tolist() == [0.5]


def test_no_history_is_refused() -> None:
    with pytest.raises(DataError, match="no flight"):
        fit_baseline(HISTORY.iloc[:0])


@pytest.mark.parametrize("column", ["carrier", "departure_minute", "late"])
def test_history_without_a_column_is_refused(column: str) -> None:
    with pytest.raises(DataError, match=column):
        fit_baseline(HISTORY.drop(columns=column))


def test_no_flights_get_no_probabilities() -> None:
    assert fit_baseline(HISTORY).probabilities(HISTORY.iloc[:0]).shape == (0,)
