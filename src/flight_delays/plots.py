"""The plot data: tables for DVC's plot templates."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from flight_delays.scores import Labels, Probabilities, probability_bins

WORDS = {0: "on time", 1: "late"}
_STEPS = 200


def roc_table(labels: Labels, model: Probabilities, baseline: Probabilities) -> pd.DataFrame:
    """Return the true positive rates of model and baseline at each false positive rate."""
    grid = np.linspace(0.0, 1.0, _STEPS + 1)
    return pd.DataFrame(
        {
            "false_positive_rate": grid,
            "model": _true_positive_rates(labels, model, grid),
            "baseline": _true_positive_rates(labels, baseline, grid),
        }
    )


def precision_recall_table(
    labels: Labels, model: Probabilities, baseline: Probabilities
) -> pd.DataFrame:
    """Return the precision of model and baseline at each recall, without recall 0."""
    grid = np.linspace(0.0, 1.0, _STEPS + 1)[1:]
    return pd.DataFrame(
        {
            "recall": grid,
            "model": _precisions(labels, model, grid),
            "baseline": _precisions(labels, baseline, grid),
        }
    )


def calibration_table(labels: Labels, model: Probabilities, bins: int) -> pd.DataFrame:
    """Return the late rate by mean probability, in bins of about equal size."""
    parts = probability_bins(model, bins)
    means = [float(model[rows].mean()) for rows in parts]
    return pd.DataFrame(
        {
            "probability": means,
            "late_rate": [float(labels[rows].mean()) for rows in parts],
            "perfect": means,
        }
    )


def confusion_table(labels: Labels, model: Probabilities, threshold: float) -> pd.DataFrame:
    """Return the actual and the predicted outcome of each flight, in words."""
    return pd.DataFrame(
        {
            "actual": pd.Series(labels).map(WORDS),
            "predicted": pd.Series((model >= threshold).astype(np.int64)).map(WORDS),
        }
    )


def slice_table(
    names: pd.Series,
    labels: Labels,
    model: Probabilities,
    baseline: Probabilities,
    threshold: float,
) -> pd.DataFrame:
    """Return the errors of each slice of the flights.

    Args:
        names: The slice of each flight; the column keeps its name.
        labels: 0 and 1, shape ``[rows]``.
        model: Probabilities of the model.
        baseline: Probabilities of the baseline.
        threshold: The lowest probability that is predicted as late.
    """
    table = pd.DataFrame(
        {
            "late_rate": labels,
            "mean_probability": model,
            "brier": (model - labels) ** 2,
            "baseline_brier": (baseline - labels) ** 2,
            "wrong_share": (model >= threshold) != (labels == 1),
        }
    )
    groups = table.groupby(names.to_numpy(), sort=True)
    means: pd.DataFrame = groups.mean()
    means.insert(0, "flights", groups.size())
    return means.rename_axis(str(names.name)).reset_index()


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write plot data as CSV, rounded to digits that do not depend on the processor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.5f", lineterminator="\n")


def _true_positive_rates(
    labels: Labels, probabilities: Probabilities, grid: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    false, true, _ = roc_curve(labels, probabilities)
    return np.asarray(np.interp(grid, false, true), dtype=np.float64)


def _precisions(
    labels: Labels, probabilities: Probabilities, grid: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    precision, recall, _ = precision_recall_curve(labels, probabilities)
    # The curve runs from recall 1 down to 0: take the last point that reaches a recall.
    positions = len(recall) - 1 - np.searchsorted(recall[::-1], grid - 1e-12)
    return np.asarray(precision[positions], dtype=np.float64)
