"""Own the proof that the exported models answer as scikit-learn does, on real flights.

Trees compare in float32 here and in float64 there: a flight exactly at a threshold could take
another branch.
"""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from flight_delays.candidates import build_candidate
from flight_delays.onnx_export import LARGEST_DIFFERENCE, export_model, training_table
from flight_delays.onnx_model import OnnxModel
from flight_delays.parameters import load_parameters
from flight_delays.prepared_data import labels_of

from .conftest import ROOT
from .judgement import Flights

_SAMPLE = 15_000


@pytest.mark.parametrize("name", ["gradient_boosting", "logistic_regression"])
def test_exported_model_agrees_on_flights_it_has_never_seen(name: str, flights: Flights) -> None:
    sample = flights.train.sample(_SAMPLE, random_state=1)
    section = load_parameters(ROOT / "params.yaml").section("candidates").section(name)
    pipeline = build_candidate(name, section, seed=1)
    # One thread: beside other work, several wait for each other longer than they compute.
    with threadpool_limits(limits=1):
        pipeline.fit(training_table(sample), labels_of(sample))
        expected = pipeline.predict_proba(training_table(flights.test))[:, 1]
    answer = OnnxModel(export_model(pipeline)).probabilities(flights.test)

    assert len(expected) > 50_000
    assert np.abs(answer - expected).max() <= LARGEST_DIFFERENCE
