"""The scores of probabilities against outcomes."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from flight_delays.errors import DataError

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]

# More decimals would show the last bits, which differ between processors.
DECIMALS = 6
_BINS = 10


@dataclass(frozen=True)
class Scores:
    """The scores of one set of probabilities.

    Attributes:
        flights: Number of flights.
        late_rate: Share of late flights.
        mean_probability: Mean of the probabilities.
        roc_auc: Chance that a late flight ranks above one that is not late. More is better.
        average_precision: Area under precision against recall. More is better.
        log_loss: Mean negative logarithm of the outcome's probability. Less is better.
        brier: Mean squared difference from the outcome. Less is better.
        calibration_error: Mean distance of probability and late rate over ten bins of about
            equal size. Less is better.
    """

    flights: int
    late_rate: float
    mean_probability: float
    roc_auc: float
    average_precision: float
    log_loss: float
    brier: float
    calibration_error: float

    def rounded(self) -> dict[str, float | int]:
        """Return the scores by name, rounded to digits that do not depend on the processor."""
        return {
            name: value if isinstance(value, int) else round(value, DECIMALS)
            for name, value in asdict(self).items()
        }


def score(labels: Labels, probabilities: Probabilities) -> Scores:
    """Score probabilities, shape ``[rows]``, against labels of 0 and 1, shape ``[rows]``.

    Raises:
        DataError: There are no rows, the shapes differ, a value is not a probability or label, or
            all labels are the same.
    """
    require_scorable(labels, probabilities)
    return Scores(
        flights=len(labels),
        late_rate=float(labels.mean()),
        mean_probability=float(probabilities.mean()),
        roc_auc=float(roc_auc_score(labels, probabilities)),
        average_precision=float(average_precision_score(labels, probabilities)),
        log_loss=float(log_loss(labels, probabilities, labels=[0, 1])),
        brier=float(brier_score_loss(labels, probabilities)),
        calibration_error=calibration_error(labels, probabilities),
    )


def calibration_error(labels: Labels, probabilities: Probabilities, bins: int = _BINS) -> float:
    """Return the mean distance of probability and late rate over `probability_bins`."""
    total = sum(
        len(rows) * abs(probabilities[rows].mean() - labels[rows].mean())
        for rows in probability_bins(probabilities, bins)
    )
    return float(total / len(labels))


def probability_bins(probabilities: Probabilities, bins: int) -> list[npt.NDArray[np.intp]]:
    """Return the rows of each bin, from low to high probabilities.

    Bins have equal sizes, except that equal probabilities are always in the same bin, so that the
    order of rows does not matter. With few distinct probabilities there are fewer bins.
    """
    shares = np.arange(1, bins) / bins
    edges = np.quantile(probabilities, shares, method="inverted_cdf")
    places = np.searchsorted(edges, probabilities, side="left")
    return [np.flatnonzero(places == place) for place in np.unique(places)]


def require_scorable(labels: Labels, probabilities: Probabilities) -> None:
    """Check that labels and probabilities can be scored.

    Raises:
        DataError: They cannot.
    """
    if len(labels) == 0:
        raise _unscorable("no flight")
    if labels.shape != probabilities.shape or labels.ndim != 1:
        raise _unscorable(f"{labels.shape} labels for {probabilities.shape} probabilities")
    if not np.isin(labels, (0, 1)).all():
        raise _unscorable("a label that is neither 0 nor 1")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise _unscorable("a value that is not a probability")
    if labels.min() == labels.max():
        raise _unscorable(f"every label is {labels[0]}")


def _unscorable(reason: str) -> DataError:
    return DataError(
        f"cannot score: {reason}",
        hint="look at the flights that were given: both outcomes must be among them",
    )
