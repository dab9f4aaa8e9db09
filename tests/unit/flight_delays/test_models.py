"""Own the tests of candidates, their export to ONNX, and the model file."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from flight_frames import ROOT, prepared_table
from small_candidates import SECTIONS, TRAINING, train

from flight_delays.errors import DataError, ModelError, ParameterError
from flight_delays.onnx_export import require_agreement, training_table
from flight_delays.onnx_model import NUMBERS_PROPERTY, OnnxModel, build_tensors, load_model
from flight_delays.parameters import Section
from flight_delays.schema import CATEGORIES, NUMBERS, WEATHER
from flight_delays.training import (
    TrainedCandidate,
    hide_weather,
    train_candidate,
    training_parameters_of,
)

TRAIN = """
import sys
sys.path[:0] = [{source!r}, {tests!r}]
from pathlib import Path
from small_candidates import SECTIONS, train
for name in SECTIONS:
    (Path({path!r}) / name).write_bytes(train(name).content)
"""


@pytest.fixture(scope="module", params=sorted(SECTIONS))
def trained(request: pytest.FixtureRequest) -> TrainedCandidate:
    return train(str(request.param))


def test_candidate_learns_what_is_there_to_learn(trained: TrainedCandidate) -> None:
    other = prepared_table(seed=5)

    probabilities = OnnxModel(trained.content).probabilities(other)

    late = other["departure_minute"] > 900
    assert probabilities[late].mean() > probabilities[~late].mean() + 0.15


def test_description_scores_the_flights_it_learned_from(trained: TrainedCandidate) -> None:
    scores = trained.description["train"]

    assert isinstance(scores, dict)
    assert scores["flights"] == 400
    assert scores["roc_auc"] > 0.7
    assert trained.description["bytes"] == len(trained.content)


def test_unknown_carrier_and_missing_numbers_get_a_probability(trained: TrainedCandidate) -> None:
    flights = prepared_table(20)
    flights["carrier"] = "ZZ"
    # A number that is always there in training, too.
    flights[list(NUMBERS)] = np.nan

    probabilities = OnnxModel(trained.content).probabilities(flights)

    assert np.isfinite(probabilities).all()
    assert ((probabilities > 0) & (probabilities < 1)).all()


def test_order_and_number_of_rows_do_not_matter(trained: TrainedCandidate) -> None:
    flights = prepared_table(50)
    model = OnnxModel(trained.content)
    together = model.probabilities(flights)

    alone = [model.probabilities(flights.iloc[[row]])[0] for row in range(50)]
    turned = model.probabilities(flights.iloc[::-1])[::-1]

    np.testing.assert_allclose(alone, together, atol=1e-6)
    np.testing.assert_allclose(turned, together, atol=1e-6)


@pytest.mark.process
def test_every_process_exports_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    # Under these two seeds the converter orders its sets differently.
    for seed in ("0", "1"):
        program = TRAIN.format(
            source=str(ROOT / "src"), tests=str(Path(__file__).parent), path=str(tmp_path)
        )
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run([sys.executable, "-c", program], check=True, env=environment)
        contents = [(tmp_path / name).read_bytes() for name in sorted(SECTIONS)]
        digests.add(tuple(hashlib.sha256(content).hexdigest() for content in contents))

    assert len(digests) == 1


def test_model_that_answers_otherwise_than_the_trained_one_is_refused() -> None:
    from flight_delays.candidates import build_candidate

    flights = prepared_table()
    pipeline = build_candidate(
        "logistic_regression", Section("", SECTIONS["logistic_regression"]), seed=1
    )
    turned = flights.assign(late=1 - flights["late"])
    pipeline.fit(training_table(flights), turned["late"].to_numpy())

    with pytest.raises(ModelError, match="differs from the trained one"):
        require_agreement(pipeline, train("logistic_regression").content, flights)


def test_weather_is_hidden_of_about_that_share_and_of_nothing_else() -> None:
    flights = prepared_table(1000).fillna({"temperature_f": 50.0})

    shown = hide_weather(flights, 0.1, seed=1)

    hidden = shown["temperature_f"].isna()
    assert 60 <= hidden.sum() <= 140
    assert shown.loc[hidden, list(WEATHER)].isna().all(axis=None)
    others = flights.columns.difference(list(WEATHER))
    pd.testing.assert_frame_equal(shown[others], flights[others])
    pd.testing.assert_frame_equal(shown[~hidden], flights[~hidden])
    assert not flights["temperature_f"].isna().any()


def test_training_parameters_are_all_needed() -> None:
    with pytest.raises(ParameterError, match="missing: training.hidden_weather"):
        training_parameters_of(Section("training", {"seed": 1, "threads": 1}))


def test_unknown_candidate_is_refused() -> None:
    with pytest.raises(ParameterError, match="unknown candidate: oracle"):
        train_candidate("oracle", Section("", {}), prepared_table(), TRAINING)


def test_candidate_without_a_parameter_is_refused() -> None:
    with pytest.raises(ParameterError, match="parameter is missing: x.inverse_regularization"):
        train_candidate("logistic_regression", Section("x", {}), prepared_table(), TRAINING)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04K\x01."])
def test_bytes_that_are_no_model_are_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="not a model that ONNX Runtime can load"):
        OnnxModel(content)


def test_model_of_other_columns_is_refused(trained: TrainedCandidate) -> None:
    proto = onnx.load_model_from_string(trained.content)
    for entry in proto.metadata_props:
        if entry.key == NUMBERS_PROPERTY:
            entry.value = ",".join(reversed(NUMBERS))

    with pytest.raises(ModelError, match="model has other columns"):
        OnnxModel(proto.SerializeToString())


def test_model_that_does_not_name_its_columns_is_refused(trained: TrainedCandidate) -> None:
    proto = onnx.load_model_from_string(trained.content)
    del proto.metadata_props[:]

    with pytest.raises(ModelError, match="model has other columns"):
        OnnxModel(proto.SerializeToString())


def test_missing_model_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read the model"):
        load_model(tmp_path / "model.onnx")


def test_flights_without_a_column_are_refused() -> None:
    with pytest.raises(DataError, match="lacks columns: carrier"):
        build_tensors(prepared_table(3).drop(columns="carrier"))


def test_tensors_follow_the_schema_whatever_the_order_of_columns() -> None:
    flights = prepared_table(3)
    turned = flights[list(reversed(flights.columns))]

    categories, numbers = build_tensors(turned)

    assert categories.shape == (3, len(CATEGORIES))
    assert numbers.dtype == np.float32
    expected = pd.DataFrame(numbers, columns=list(NUMBERS))
    pd.testing.assert_frame_equal(expected, flights[list(NUMBERS)])
