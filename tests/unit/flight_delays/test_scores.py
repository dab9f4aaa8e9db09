"""Own the tests of the scores."""

import math
from itertools import pairwise

import numpy as np
import pytest

from flight_delays.errors import DataError
from flight_delays.scores import calibration_error, probability_bins, score

LABELS = np.array([0, 0, 1, 1], dtype=np.int64)


def test_scores_of_four_flights_are_those_worked_out_by_hand() -> None:
    scores = score(LABELS, np.array([0.1, 0.6, 0.5, 0.8]))

    assert scores.flights == 4
    assert scores.late_rate == 0.5
    assert scores.mean_probability == pytest.approx(0.5)
    # Of the four pairs of a late flight and one that is not, only (0.5, 0.6) is the wrong way.
    assert scores.roc_auc == pytest.approx(0.75)
    # Precision 1 at the first late flight, 2/3 at the second.
    assert scores.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert scores.brier == pytest.approx((0.01 + 0.36 + 0.25 + 0.04) / 4)
    expected = -(math.log(0.9) + math.log(0.4) + math.log(0.5) + math.log(0.8)) / 4
    assert scores.log_loss == pytest.approx(expected)


def test_calibration_error_is_the_mean_distance_over_bins() -> None:
    probabilities = np.array([0.1, 0.3, 0.5, 0.9])

    # Two bins: 0.2 against 0, 0.7 against 1.
    assert calibration_error(LABELS, probabilities, bins=2) == pytest.approx((0.2 + 0.3) / 2)


def test_calibration_error_of_fewer_flights_than_bins() -> None:
    assert calibration_error(LABELS, np.array([0.0, 0.0, 1.0, 1.0]), bins=10) == 0.0


def test_calibration_error_does_not_depend_on_the_order_of_equal_probabilities() -> None:
    constant = np.full(100, 0.25)
    labels = np.repeat(np.array([1, 0, 0, 0], dtype=np.int64), 25)

    # All in one bin, and right on the whole, however the late flights lie.
    assert calibration_error(labels, constant) == 0.0
    assert calibration_error(labels[::-1], constant) == 0.0


def test_bins_hold_every_row_once_and_in_order_of_probability() -> None:
    probabilities = np.random.default_rng(1).random(1000).round(2)

    bins = probability_bins(probabilities, 10)

    assert sorted(np.concatenate(bins).tolist()) == list(range(1000))
    assert all(probabilities[low].max() < probabilities[high].min() for low, high in pairwise(bins))
    assert all(70 <= len(rows) <= 130 for rows in bins)


def test_rounded_scores_are_numbers_of_six_decimals() -> None:
    rounded = score(LABELS, np.array([0.1, 0.6, 0.5, 1 / 3])).rounded()

    assert rounded["flights"] == 4
    assert rounded["mean_probability"] == 0.383333


@pytest.mark.parametrize(
    ("labels", "probabilities", "reason"),
    [
        ([], [], "no flight"),
        ([0, 1], [0.5], "labels for"),
        ([0, 2], [0.5, 0.5], "neither 0 nor 1"),
        ([0, 1], [0.5, 1.5], "not a probability"),
        ([0, 1], [0.5, math.nan], "not a probability"),
        ([1, 1], [0.5, 0.5], "every label is 1"),
        ([0, 0], [0.5, 0.5], "every label is 0"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    labels: list[int], probabilities: list[float], reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        score(np.array(labels, dtype=np.int64), np.array(probabilities, dtype=np.float64))
