"""Own the export of a fitted pipeline to ONNX, and the proof that both answer alike."""

import numpy as np
import pandas as pd
from onnx import ModelProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from flight_delays.errors import ModelError
from flight_delays.schema import CATEGORIES, NUMBERS
from flight_delays.onnx_model import OnnxModel, column_properties

# A fixed name: without one, a random name is part of the bytes.
GRAPH_NAME = "flight_delays"
# Old enough for every runtime in use, new enough for missing values in trees.
OPSETS = {"": 18, "ai.onnx.ml": 3}
# The model computes in float32. A flight on the other side of one tree's threshold would differ by
# a hundred times this, a flight on the same side differs by a hundredth of it.
LARGEST_DIFFERENCE = 1e-5


def training_table(flights: pd.DataFrame) -> pd.DataFrame:
    """Return categories and numbers as scikit-learn takes them, with float32 values in float64."""
    numbers = flights[list(NUMBERS)].astype(np.float32).astype(np.float64)
    return pd.concat([flights[list(CATEGORIES)].astype("object"), numbers], axis="columns")


def export_model(pipeline: Pipeline) -> bytes:
    """Return the fitted pipeline as an ONNX file, the same bytes for the same pipeline."""
    proto = to_onnx(
        pipeline,
        initial_types=[
            ("categories", StringTensorType([None, len(CATEGORIES)])),
            ("numbers", FloatTensorType([None, len(NUMBERS)])),
        ],
        name=GRAPH_NAME,
        options={id(pipeline): {"zipmap": False}},
        target_opset=OPSETS,
    )
    if not isinstance(proto, ModelProto):
        raise ModelError("conversion gave no ONNX model", hint="report it: skl2onnx has changed")
    # The converter writes these in the order of a set, which is another in every other process.
    proto.opset_import.sort(key=lambda opset: opset.domain)
    helper.set_model_props(proto, column_properties())
    return bytes(proto.SerializeToString(deterministic=True))


def require_agreement(pipeline: Pipeline, content: bytes, flights: pd.DataFrame) -> None:
    """Pass when the exported model answers as the pipeline does on every one of the flights.

    Raises:
        ModelError: At least one probability differs by more than `LARGEST_DIFFERENCE`.
    """
    expected = np.asarray(pipeline.predict_proba(training_table(flights)))[:, 1]
    difference = np.abs(OnnxModel(content).probabilities(flights) - expected)
    # Not "any above": a difference that is not a number must stop, too.
    if not bool((difference <= LARGEST_DIFFERENCE).all()):
        raise ModelError(
            f"exported model answers otherwise than the trained one: by {difference.max():.2e}",
            hint="look for features that float32 does not hold, then train again",
        )
