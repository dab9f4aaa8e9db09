"""Own the tests of the evaluation: chosen on validation, measured on test."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from flight_frames import prepared_table

from flight_delays.baseline import fit_baseline
from flight_delays.evaluation import BASELINE, Choice, choose, evaluate, threshold_counts
from flight_delays.onnx_model import Probabilities
from flight_delays.prepared_data import labels_of
from flight_delays.selection import choose_threshold


@dataclass(frozen=True)
class HourModel:
    """Answer by the minute of departure, with as much certainty as given."""

    certainty: float

    def probabilities(self, flights: pd.DataFrame) -> Probabilities:
        late = (flights["departure_minute"] > 900).to_numpy()
        return np.where(late, 0.3 + self.certainty, 0.3 - self.certainty)


VALIDATION, TEST = prepared_table(seed=1), prepared_table(seed=2)
BASELINE_MODEL = fit_baseline(prepared_table(seed=3))
CANDIDATES = {"sharp": HourModel(0.2), "wrong": HourModel(-0.2)}


def chosen() -> Choice:
    return choose(CANDIDATES, BASELINE_MODEL, VALIDATION, select_by="log_loss")


def measured(test: pd.DataFrame, choice: Choice) -> dict[str, object]:
    evaluation = evaluate(
        choice, CANDIDATES[choice.selected], BASELINE_MODEL, VALIDATION, test, calibration_bins=4
    )
    return evaluation.metrics


def test_better_candidate_on_validation_is_selected() -> None:
    choice = chosen()

    assert choice.selected == "sharp"
    assert set(choice.scores) == {"sharp", "wrong", BASELINE}
    assert choice.threshold == choose_threshold(
        labels_of(VALIDATION), CANDIDATES["sharp"].probabilities(VALIDATION)
    )


def test_baseline_is_never_selected() -> None:
    choice = choose(
        {"wrong": CANDIDATES["wrong"]}, BASELINE_MODEL, VALIDATION, select_by="log_loss"
    )

    assert choice.selected == "wrong"
    assert choice.scores[BASELINE].log_loss < choice.scores["wrong"].log_loss


def test_other_test_flights_change_figures_and_no_choice() -> None:
    turned = TEST.assign(late=1 - TEST["late"])

    before, after = measured(TEST, chosen()), measured(turned, chosen())

    for part in ("selected", "threshold", "validation"):
        assert before[part] == after[part]
    assert before["test"] != after["test"]


def test_evaluation_holds_every_plot() -> None:
    choice = chosen()
    evaluation = evaluate(
        choice, CANDIDATES["sharp"], BASELINE_MODEL, VALIDATION, TEST, calibration_bins=4
    )

    assert set(evaluation.plots) == {
        "roc",
        "precision_recall",
        "calibration",
        "confusion",
        "error_by_carrier",
        "error_by_month",
    }
    assert evaluation.plots["error_by_carrier"]["flights"].sum() == len(TEST)
    assert evaluation.plots["error_by_month"]["month"].tolist() == [
        "2013-03 test",
        "2013-03 validation",
    ]
    # The model gives two probabilities only, and no bin is half of one.
    assert evaluation.plots["calibration"]["probability"].tolist() == pytest.approx([0.1, 0.5])
    assert len(evaluation.plots["confusion"]) == len(TEST)


def test_counts_at_a_threshold_are_those_worked_out_by_hand() -> None:
    labels = np.array([0, 0, 1, 1, 1], dtype=np.int64)

    counts = threshold_counts(labels, np.array([0.1, 0.5, 0.5, 0.9, 0.2]), 0.5)

    assert counts == {
        "true_positives": 2,
        "false_positives": 1,
        "false_negatives": 1,
        "true_negatives": 1,
        "precision": 0.666667,
        "recall": 0.666667,
        "f1": 0.666667,
    }


def test_threshold_that_no_flight_reaches_gives_zero_and_no_error() -> None:
    counts = threshold_counts(np.array([0, 1], dtype=np.int64), np.array([0.1, 0.2]), 0.9)

    assert (counts["precision"], counts["recall"], counts["f1"]) == (0, 0, 0)
