"""The two selections on the validation split: the candidate and the decision threshold."""

from collections.abc import Mapping

import numpy as np

from flight_delays.errors import ParameterError
from flight_delays.scores import Labels, Probabilities, Scores, require_scorable

MORE_IS_BETTER = {
    "average_precision": True,
    "brier": False,
    "log_loss": False,
    "roc_auc": True,
}
_THRESHOLDS = np.arange(1, 100) / 100


def select_candidate(scores: Mapping[str, Scores], metric: str) -> str:
    """Return the name of the best candidate; among equals, the first name.

    Args:
        scores: Scores on the validation split, by candidate.
        metric: One of `MORE_IS_BETTER`.

    Raises:
        ParameterError: There is no candidate, or the metric is unknown.
    """
    if metric not in MORE_IS_BETTER:
        raise ParameterError(
            f"no such metric to select by: {metric}",
            hint=f"set evaluation.select_by to one of: {', '.join(MORE_IS_BETTER)}",
        )
    if not scores:
        raise ParameterError("no candidate to select from", hint="name at least one candidate")
    sign = -1.0 if MORE_IS_BETTER[metric] else 1.0
    return min(sorted(scores), key=lambda name: sign * float(getattr(scores[name], metric)))


def choose_threshold(labels: Labels, probabilities: Probabilities) -> float:
    """Return the threshold, in hundredths, with the best F1.

    Raises:
        DataError: Labels or probabilities cannot be scored.
    """
    require_scorable(labels, probabilities)
    called = probabilities[None, :] >= _THRESHOLDS[:, None]
    right = (called & (labels == 1)[None, :]).sum(axis=1)
    f1 = 2 * right / (called.sum(axis=1) + labels.sum())
    return float(_THRESHOLDS[int(f1.argmax())])
