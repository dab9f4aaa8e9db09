"""Own the judgement of a model: each function returns what is wrong, and nothing when all is well.

The tests hold the produced model to these, and show that broken models do not pass them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flight_delays.baseline import CarrierHourBaseline, fit_baseline
from flight_delays.evaluation import BASELINE, MODEL, threshold_counts
from flight_delays.onnx_model import DelayModel, Probabilities
from flight_delays.prepared_data import labels_of
from flight_delays.schema import WEATHER
from flight_delays.scores import score

from . import thresholds

# Of the invariances: enough to meet every carrier, few enough to be asked one by one.
_SAMPLE = 300


@dataclass(frozen=True)
class Flights:
    """Hold the three splits."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame

    def baseline(self) -> CarrierHourBaseline:
        """Return the late rates by carrier and hour of the train split."""
        return fit_baseline(self.train)


Judgement = Callable[[DelayModel, Flights], list[str]]


def judge_ranking(model: DelayModel, flights: Flights) -> list[str]:
    """Say where the model does not beat the baseline by enough."""
    labels = labels_of(flights.test)
    mine = score(labels, model.probabilities(flights.test))
    base = score(labels, flights.baseline().probabilities(flights.test))
    gains = {
        "ROC AUC": (mine.roc_auc - base.roc_auc, thresholds.LEAST_ROC_AUC_GAIN),
        "log loss": (base.log_loss - mine.log_loss, thresholds.LEAST_LOG_LOSS_GAIN),
        "Brier score": (base.brier - mine.brier, thresholds.LEAST_BRIER_GAIN),
    }
    return [
        f"{name} is better than the baseline's by {gain:.4f}, not by {least}"
        for name, (gain, least) in gains.items()
        if not gain >= least
    ]


def judge_calibration(model: DelayModel, flights: Flights) -> list[str]:
    """Say whether probabilities are far from late rates."""
    error = score(labels_of(flights.test), model.probabilities(flights.test)).calibration_error
    if error <= thresholds.MOST_CALIBRATION_ERROR:
        return []
    return [f"calibration error is {error:.4f}, over {thresholds.MOST_CALIBRATION_ERROR}"]


def judge_slices(model: DelayModel, flights: Flights) -> list[str]:
    """Name each carrier and origin that the model serves badly."""
    test = flights.test.reset_index(drop=True)
    labels, mine = labels_of(test), model.probabilities(test)
    base = flights.baseline().probabilities(test)
    complaints = []
    for name, rows in large_slices(test):
        scores = score(labels[rows], mine[rows])
        if not scores.roc_auc >= thresholds.LEAST_SLICE_ROC_AUC:
            complaints.append(f"{name}: ROC AUC is {scores.roc_auc:.3f}")
        most = thresholds.MOST_SLICE_BRIER_RATIO * score(labels[rows], base[rows]).brier
        if not scores.brier <= most:
            complaints.append(f"{name}: Brier score is {scores.brier:.4f}, over {most:.4f}")
    return complaints


def judge_invariances(model: DelayModel, flights: Flights) -> list[str]:
    """Say where the answer depends on what it must not: order, batch, index, other columns."""
    sample = flights.test.sample(_SAMPLE, random_state=1)
    expected = model.probabilities(sample)
    turned = model.probabilities(sample.iloc[::-1])[::-1]
    alone = [model.probabilities(sample.iloc[[row]])[0] for row in range(len(sample))]
    bare = sample.drop(columns=["late", "flight_number", "scheduled_departure"])
    answers = {
        "order of rows": turned,
        "size of the batch": np.asarray(alone),
        "index and keys": model.probabilities(bare.reset_index(drop=True)),
    }
    return [
        f"answer depends on the {name}: by {np.abs(answer - expected).max():.2e}"
        for name, answer in answers.items()
        if not bool((np.abs(answer - expected) <= thresholds.MOST_INVARIANCE_DIFFERENCE).all())
    ]


def judge_directions(model: DelayModel, flights: Flights) -> list[str]:
    """Say where the risk does not rise although it must."""
    test = flights.test
    gains = {
        "evening departure": (
            _mean(model, depart_at(test, 19)) - _mean(model, depart_at(test, 7)),
            thresholds.LEAST_EVENING_GAIN,
        ),
        "storm": (
            _mean(model, with_weather(test, rain=0.3, sight=1.0))
            - _mean(model, with_weather(test, rain=0.0, sight=10.0)),
            thresholds.LEAST_STORM_GAIN,
        ),
        "rain alone": (
            _mean(model, with_weather(test, rain=0.3, sight=10.0))
            - _mean(model, with_weather(test, rain=0.0, sight=10.0)),
            0.0,
        ),
        "bad sight alone": (
            _mean(model, with_weather(test, rain=0.0, sight=1.0))
            - _mean(model, with_weather(test, rain=0.0, sight=10.0)),
            0.0,
        ),
    }
    return [
        f"{name} raises the mean probability by {gain:.4f}, not by more than {least}"
        for name, (gain, least) in gains.items()
        if not gain > least
    ]


def judge_missing(model: DelayModel, flights: Flights) -> list[str]:
    """Say where the model loses its head over something that is not known."""
    test = flights.test
    usual = _mean(model, test)
    nothing = np.float32(np.nan)
    plane = ("plane_age_years", "plane_seats", "plane_engines")
    means = {
        "no weather": _mean(model, test.assign(**dict.fromkeys(WEATHER, nothing))),
        "unknown plane": _mean(
            model, test.assign(manufacturer="unknown", **dict.fromkeys(plane, nothing))
        ),
        "unknown carrier": _mean(model, test.assign(carrier="ZZ")),
        "unknown destination": _mean(model, test.assign(destination="ZZZ")),
    }
    return [
        f"{name}: mean probability is {mean:.3f} instead of {usual:.3f}"
        for name, mean in means.items()
        if not abs(mean - usual) <= thresholds.MOST_MISSING_SHIFT
    ]


JUDGEMENTS: tuple[Judgement, ...] = (
    judge_ranking,
    judge_calibration,
    judge_slices,
    judge_invariances,
    judge_directions,
    judge_missing,
)


def judge_metrics(recorded: Mapping[str, Any], model: DelayModel, flights: Flights) -> list[str]:
    """Say where metrics.json does not say what model and data say."""
    test, validation = labels_of(flights.test), labels_of(flights.validation)
    answer, baseline = model.probabilities(flights.test), flights.baseline()
    expected = {
        f"test.{MODEL}": score(test, answer).rounded(),
        f"test.{BASELINE}": score(test, baseline.probabilities(flights.test)).rounded(),
        f"validation.{recorded['selected']}": score(
            validation, model.probabilities(flights.validation)
        ).rounded(),
    }
    complaints = []
    for place, scores in expected.items():
        part, name = place.split(".")
        complaints += _differences(
            place, recorded[part][name], scores, thresholds.METRICS_TOLERANCE
        )
    return complaints + _count_differences(recorded, test, answer)


def _count_differences(
    recorded: Mapping[str, Any], labels: Any, answer: Probabilities
) -> list[str]:
    counts = threshold_counts(labels, answer, recorded["threshold"])
    shares = {name: value / len(labels) for name, value in counts.items() if value > 1}
    found = {name: recorded["test_at_threshold"][name] / len(labels) for name in shares}
    return _differences("test_at_threshold", found, shares, thresholds.COUNTS_TOLERANCE)


def _differences(
    place: str, found: Mapping[str, float], expected: Mapping[str, float], tolerance: float
) -> list[str]:
    if set(expected) - set(found):
        return [f"{place}: not recorded: {sorted(set(expected) - set(found))}"]
    return [
        f"{place}.{name}: recorded {found[name]:g}, computed {value:g}"
        for name, value in expected.items()
        if not abs(found[name] - value) <= tolerance
    ]


def depart_at(flights: pd.DataFrame, hour: int) -> pd.DataFrame:
    """Return the same flights, departing at that hour and arriving as much later as before."""
    departure = np.full(len(flights), 60 * hour, dtype=np.float32)
    arrival = (departure + flights["scheduled_minutes"]) % (24 * 60)
    return flights.assign(departure_minute=departure, arrival_minute=arrival.astype(np.float32))


def with_weather(flights: pd.DataFrame, *, rain: float, sight: float) -> pd.DataFrame:
    """Return the same flights with other rain (inches in the hour) and sight (miles)."""
    return flights.assign(precipitation_in=np.float32(rain), visibility_miles=np.float32(sight))


def large_slices(test: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    """Yield each slice with enough flights: its name and the positions of its rows."""
    for column in ("carrier", "origin"):
        for value, rows in test.groupby(column).groups.items():
            if len(rows) >= thresholds.SLICE_FLIGHTS:
                yield f"{column} {value}", rows.to_numpy()


def _mean(model: DelayModel, flights: pd.DataFrame) -> float:
    return float(model.probabilities(flights).mean())
