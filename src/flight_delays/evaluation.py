"""The evaluation: select on the validation split, then measure once on the test split."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from flight_delays.baseline import CarrierHourBaseline
from flight_delays.prepared_data import labels_of
from flight_delays.onnx_model import DelayModel
from flight_delays.plots import (
    calibration_table,
    confusion_table,
    precision_recall_table,
    roc_table,
    slice_table,
)
from flight_delays.scores import DECIMALS, Labels, Probabilities, Scores, score
from flight_delays.selection import choose_threshold, select_candidate

BASELINE = "carrier_hour_baseline"
# The name of the selected candidate in reports, the same in every run, to compare runs.
MODEL = "model"


@dataclass(frozen=True)
class Choice:
    """The selection on the validation split.

    Attributes:
        selected: The name of the better candidate.
        threshold: The lowest probability that is predicted as late.
        scores: Scores of every candidate and of the baseline on the validation split.
        probabilities: Probabilities of the selected candidate on the validation split.
    """

    selected: str
    threshold: float
    scores: dict[str, Scores]
    probabilities: Probabilities


@dataclass(frozen=True)
class Evaluation:
    """The figures of the selected model on the test split.

    Attributes:
        metrics: The document for metrics.json.
        plots: Plot data by name.
    """

    metrics: dict[str, object]
    plots: dict[str, pd.DataFrame]


def choose(
    candidates: Mapping[str, DelayModel],
    baseline: CarrierHourBaseline,
    validation: pd.DataFrame,
    *,
    select_by: str,
) -> Choice:
    """Select the candidate and the threshold, without access to the test split.

    Raises:
        ParameterError: The metric to select by is unknown.
        DataError: The flights cannot be scored.
    """
    labels = labels_of(validation)
    answers = {name: model.probabilities(validation) for name, model in candidates.items()}
    scores = {name: score(labels, answer) for name, answer in answers.items()}
    selected = select_candidate(scores, select_by)
    return Choice(
        selected=selected,
        threshold=choose_threshold(labels, answers[selected]),
        scores={**scores, BASELINE: score(labels, baseline.probabilities(validation))},
        probabilities=answers[selected],
    )


def evaluate(
    choice: Choice,
    model: DelayModel,
    baseline: CarrierHourBaseline,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    *,
    calibration_bins: int,
) -> Evaluation:
    """Measure the selected model on the test split.

    Args:
        choice: What `choose` returned.
        model: The selected candidate.
        baseline: The baseline that it must beat.
        validation: Flights for the validation months in the errors by month.
        test: Flights that played no part in the selection.
        calibration_bins: Number of bins of the calibration plot.
    """
    labels = labels_of(test)
    answer, base = model.probabilities(test), baseline.probabilities(test)
    months = _month_errors(choice, baseline, validation, test, answer)
    return Evaluation(
        metrics={
            "selected": choice.selected,
            "threshold": choice.threshold,
            "validation": {name: scores.rounded() for name, scores in choice.scores.items()},
            "test": {
                MODEL: score(labels, answer).rounded(),
                BASELINE: score(labels, base).rounded(),
            },
            "test_at_threshold": threshold_counts(labels, answer, choice.threshold),
        },
        plots={
            "roc": roc_table(labels, answer, base),
            "precision_recall": precision_recall_table(labels, answer, base),
            "calibration": calibration_table(labels, answer, calibration_bins),
            "confusion": confusion_table(labels, answer, choice.threshold),
            "error_by_carrier": slice_table(
                test["carrier"], labels, answer, base, choice.threshold
            ),
            "error_by_month": months,
        },
    )


def threshold_counts(
    labels: Labels, probabilities: Probabilities, threshold: float
) -> dict[str, float | int]:
    """Return the four counts, precision, recall and F1 at a threshold.

    A ratio with denominator 0 is 0: no flight was predicted late, or no flight was late.
    """
    called, late = probabilities >= threshold, labels == 1
    right = int((called & late).sum())
    wrong, missed = int((called & ~late).sum()), int((~called & late).sum())
    return {
        "true_positives": right,
        "false_positives": wrong,
        "false_negatives": missed,
        "true_negatives": int((~called & ~late).sum()),
        "precision": round(right / max(right + wrong, 1), DECIMALS),
        "recall": round(right / max(right + missed, 1), DECIMALS),
        "f1": round(2 * right / max(2 * right + wrong + missed, 1), DECIMALS),
    }


def _month_errors(
    choice: Choice,
    baseline: CarrierHourBaseline,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    answer: Probabilities,
) -> pd.DataFrame:
    both = pd.concat([validation, test], ignore_index=True)
    split = np.repeat(["validation", "test"], [len(validation), len(test)])
    month = both["scheduled_departure"].dt.strftime("%Y-%m") + " " + pd.Series(split)
    return slice_table(
        month.rename("month"),
        labels_of(both),
        np.concatenate([choice.probabilities, answer]),
        baseline.probabilities(both),
        choice.threshold,
    )
