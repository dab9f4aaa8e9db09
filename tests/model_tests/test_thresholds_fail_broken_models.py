"""Own the proof that the thresholds are worth something: broken models do not pass them."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flight_delays.baseline import CarrierHourBaseline
from flight_delays.onnx_model import DelayModel, OnnxModel, Probabilities
from flight_delays.parameters import load_parameters
from flight_delays.schema import CATEGORIES, LABEL, NUMBERS
from flight_delays.training import (
    TrainingParameters,
    train_candidate,
    training_parameters_of,
)

from . import judgement
from .conftest import ROOT
from .judgement import Flights, Judgement, judge_metrics

# Enough to learn what there is to learn, few enough to be quick.
_SAMPLE = 30_000


@dataclass(frozen=True)
class ConstantModel:
    """Answer the same for every flight: the late rate, which is well calibrated."""

    rate: float

    def probabilities(self, flights: pd.DataFrame) -> Probabilities:
        return np.full(len(flights), self.rate)


@dataclass(frozen=True)
class InvertedModel:
    """Answer with the probability of the contrary."""

    model: DelayModel

    def probabilities(self, flights: pd.DataFrame) -> Probabilities:
        return 1 - self.model.probabilities(flights)


@dataclass(frozen=True)
class MisalignedModel:
    """Hand each feature to the model in the place of the next one, as a wrong mapping would."""

    model: DelayModel

    def probabilities(self, flights: pd.DataFrame) -> Probabilities:
        shifted = flights.copy()
        for group in (CATEGORIES, NUMBERS):
            shifted[list(group)] = flights[[*group[1:], group[0]]].to_numpy()
        return self.model.probabilities(shifted)


@dataclass(frozen=True)
class SliceBrokenModel:
    """Be right but for one carrier, whose flights get random answers of the same distribution."""

    model: DelayModel
    carrier: str

    def probabilities(self, flights: pd.DataFrame) -> Probabilities:
        answer = self.model.probabilities(flights)
        broken = (flights["carrier"] == self.carrier).to_numpy()
        answer[broken] = np.random.default_rng(1).permutation(answer[broken])
        return answer


@dataclass(frozen=True)
class OverconfidentModel:
    """Rank as well as the model, and be far too sure."""

    model: DelayModel

    def probabilities(self, flights: pd.DataFrame) -> Probabilities:
        answer = np.clip(self.model.probabilities(flights), 1e-9, 1 - 1e-9)
        return np.asarray(1 / (1 + ((1 - answer) / answer) ** 3), dtype=np.float64)


@dataclass(frozen=True)
class BatchModel:
    """Rank the flights of one batch among each other, and so depend on the batch."""

    model: DelayModel

    def probabilities(self, flights: pd.DataFrame) -> Probabilities:
        answer = self.model.probabilities(flights)
        return np.asarray(np.clip(answer - answer.mean() + 0.25, 0, 1), dtype=np.float64)


@dataclass(frozen=True)
class PanickingModel:
    """Take a missing observation for the worst of all weathers."""

    model: DelayModel

    def probabilities(self, flights: pd.DataFrame) -> Probabilities:
        answer = self.model.probabilities(flights)
        return np.where(flights["temperature_f"].isna(), np.maximum(answer, 0.8), answer)


@dataclass(frozen=True)
class WeatherInvertingModel:
    """Take bad weather for good: full rain for none, no sight for the best."""

    model: DelayModel

    def probabilities(self, flights: pd.DataFrame) -> Probabilities:
        sight = (10 - flights["visibility_miles"]).astype(np.float32)
        rain = (0.3 - flights["precipitation_in"]).clip(lower=0).astype(np.float32)
        return self.model.probabilities(
            flights.assign(visibility_miles=sight, precipitation_in=rain)
        )


@pytest.fixture(scope="module")
def training() -> TrainingParameters:
    return training_parameters_of(load_parameters(ROOT / "params.yaml").section("training"))


@pytest.fixture(scope="module")
def trained(training: TrainingParameters) -> Callable[[pd.DataFrame], OnnxModel]:
    """Return what trains the real candidate on flights that are given."""
    candidates = load_parameters(ROOT / "params.yaml").section("candidates")
    section = candidates.section("gradient_boosting")

    def train(sample: pd.DataFrame) -> OnnxModel:
        content = train_candidate("gradient_boosting", section, sample, training).content
        return OnnxModel(content)

    return train


def failed(model: DelayModel, flights: Flights) -> set[str]:
    """Return the names of the judgements about quality that the model does not pass."""
    judgements: tuple[Judgement, ...] = (
        judgement.judge_ranking,
        judgement.judge_calibration,
        judgement.judge_slices,
        judgement.judge_directions,
    )
    return {judge.__name__ for judge in judgements if judge(model, flights)}


def test_constant_model_fails(flights: Flights) -> None:
    broken = ConstantModel(float(flights.test[LABEL].mean()))

    # It is perfectly calibrated, which shows that calibration alone is not enough.
    assert failed(broken, flights) == {"judge_ranking", "judge_slices", "judge_directions"}


def test_inverted_model_fails(model: OnnxModel, flights: Flights) -> None:
    found = failed(InvertedModel(model), flights)

    assert found == {"judge_ranking", "judge_calibration", "judge_slices", "judge_directions"}


@pytest.mark.slow
def test_model_trained_on_shuffled_labels_fails(
    trained: Callable[[pd.DataFrame], OnnxModel], flights: Flights
) -> None:
    sample = flights.train.sample(_SAMPLE, random_state=1)
    shuffled = sample.assign(late=np.random.default_rng(1).permutation(sample[LABEL].to_numpy()))

    found = failed(trained(shuffled), flights)

    assert {"judge_ranking", "judge_slices", "judge_directions"} <= found


def test_the_same_training_on_true_labels_passes_the_ranking(
    trained: Callable[[pd.DataFrame], OnnxModel], flights: Flights
) -> None:
    # Without this, the test above could fail its model for having learned from a sample.
    sample = flights.train.sample(_SAMPLE, random_state=1)

    assert judgement.judge_ranking(trained(sample), flights) == []


def test_model_with_features_in_the_wrong_places_fails(model: OnnxModel, flights: Flights) -> None:
    assert judgement.judge_ranking(MisalignedModel(model), flights) != []
    assert judgement.judge_slices(MisalignedModel(model), flights) != []


def test_baseline_itself_fails_the_ranking(flights: Flights) -> None:
    baseline: CarrierHourBaseline = flights.baseline()

    assert len(judgement.judge_ranking(baseline, flights)) == 3


@pytest.mark.parametrize("carrier", ["WN", "US"])
def test_model_that_is_broken_for_one_carrier_fails_that_slice_only(
    model: OnnxModel, flights: Flights, carrier: str
) -> None:
    broken = SliceBrokenModel(model, carrier)

    found = judgement.judge_slices(broken, flights)

    assert {complaint.split(":")[0] for complaint in found} == {f"carrier {carrier}"}
    # Two of some fifteen carriers hardly show in the whole, which is why slices are judged.
    assert judgement.judge_ranking(broken, flights) == []


@pytest.mark.parametrize(
    ("broken", "judge"),
    [
        (OverconfidentModel, judgement.judge_calibration),
        (BatchModel, judgement.judge_invariances),
        (PanickingModel, judgement.judge_missing),
        (WeatherInvertingModel, judgement.judge_directions),
    ],
)
def test_model_that_is_broken_in_one_way_fails_the_judgement_of_it(
    model: OnnxModel,
    flights: Flights,
    broken: Callable[[DelayModel], DelayModel],
    judge: Judgement,
) -> None:
    assert judge(broken(model), flights) != []


@pytest.mark.parametrize(
    "place",
    [
        ("test", "model", "roc_auc"),
        ("test", "model", "log_loss"),
        ("test", "carrier_hour_baseline", "brier"),
        ("validation", "{selected}", "average_precision"),
    ],
)
def test_metric_that_was_made_nicer_is_noticed(
    metrics: dict[str, Any], model: OnnxModel, flights: Flights, place: tuple[str, str, str]
) -> None:
    nicer = copy.deepcopy(metrics)
    part, name, metric = (word.format(selected=metrics["selected"]) for word in place)
    nicer[part][name][metric] += 0.01

    found = judge_metrics(nicer, model, flights)

    assert [complaint.split(":")[0] for complaint in found] == [f"{part}.{name}.{metric}"]


def test_metrics_of_another_model_are_noticed(
    metrics: dict[str, Any], model: OnnxModel, flights: Flights
) -> None:
    assert len(judge_metrics(metrics, InvertedModel(model), flights)) >= 4


def test_metric_that_is_left_out_is_noticed(
    metrics: dict[str, Any], model: OnnxModel, flights: Flights
) -> None:
    poorer = copy.deepcopy(metrics)
    del poorer["test"]["model"]["calibration_error"]

    assert judge_metrics(poorer, model, flights) == [
        "test.model: not recorded: ['calibration_error']"
    ]
