"""Own the tests of the two choices made on the validation split."""

from dataclasses import replace

import numpy as np
import pytest

from flight_delays.errors import DataError, ParameterError
from flight_delays.scores import Scores, score
from flight_delays.selection import choose_threshold, select_candidate

LABELS = np.array([0, 0, 0, 1, 1], dtype=np.int64)


def scores(metric: str = "log_loss", value: float = 0.5) -> Scores:
    ordinary = score(LABELS, np.array([0.1, 0.2, 0.3, 0.4, 0.5]))
    changed: Scores = replace(ordinary, **{metric: value})  # type: ignore[arg-type]  # by name
    return changed


@pytest.mark.parametrize("metric", ["log_loss", "brier"])
def test_less_loss_wins(metric: str) -> None:
    candidates = {"a": scores(metric, 0.4), "b": scores(metric, 0.3)}

    assert select_candidate(candidates, metric) == "b"


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_more_area_wins(metric: str) -> None:
    candidates = {"a": scores(metric, 0.6), "b": scores(metric, 0.7)}

    assert select_candidate(candidates, metric) == "b"


def test_among_equals_the_first_by_name_wins_in_any_order() -> None:
    assert select_candidate({"b": scores(), "a": scores()}, "log_loss") == "a"
    assert select_candidate({"a": scores(), "b": scores()}, "log_loss") == "a"


def test_unknown_metric_is_refused() -> None:
    with pytest.raises(ParameterError, match="no such metric to select by: flights"):
        select_candidate({"a": scores()}, "flights")


def test_no_candidate_is_refused() -> None:
    with pytest.raises(ParameterError, match="no candidate"):
        select_candidate({}, "log_loss")


def test_threshold_has_the_best_f1() -> None:
    # From above 0.30 up to 0.40 exactly the two late flights are called late.
    assert choose_threshold(LABELS, np.array([0.1, 0.2, 0.3, 0.4, 0.5])) == 0.31


def test_threshold_of_no_flights_is_refused() -> None:
    with pytest.raises(DataError, match="no flight"):
        choose_threshold(LABELS[:0], np.array([]))
