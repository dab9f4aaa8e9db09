"""The export of a fitted pipeline to ONNX, and the comparison of both."""

import numpy as np
import pandas as pd
from onnx import ModelProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from flight_delays.errors import ModelError
from flight_delays.schema import CATEGORIES, NUMBERS
from flight_delays.onnx_model import OnnxModel, column_properties

# A fixed name: the default is a random name, which would change the bytes.
GRAPH_NAME = "flight_delays"
# Old enough for every runtime in use; trees with missing values need this version.
OPSETS = {"": 18, "ai.onnx.ml": 3}
# The model computes in float32. A different branch in one tree changes a probability by about a
# hundred times this bound; rounding changes it by about a hundredth of it.
LARGEST_DIFFERENCE = 1e-5


def training_table(flights: pd.DataFrame) -> pd.DataFrame:
    """Return the input table of scikit-learn, with float32 values in float64 columns."""
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
        raise ModelError(
            "conversion gave no ONNX model", hint="report it as a bug: skl2onnx has changed"
        )
    # The converter writes these in the order of a set, which differs between processes.
    proto.opset_import.sort(key=lambda opset: opset.domain)
    helper.set_model_props(proto, column_properties())
    return bytes(proto.SerializeToString(deterministic=True))


def require_agreement(pipeline: Pipeline, content: bytes, flights: pd.DataFrame) -> None:
    """Check that the exported model and the pipeline predict the same for every flight.

    Raises:
        ModelError: At least one probability differs by more than `LARGEST_DIFFERENCE`.
    """
    expected = np.asarray(pipeline.predict_proba(training_table(flights)))[:, 1]
    difference = np.abs(OnnxModel(content).probabilities(flights) - expected)
    # Not "any above": NaN must fail, too.
    if not bool((difference <= LARGEST_DIFFERENCE).all()):
        raise ModelError(
            f"exported model differs from the trained one: by {difference.max():.2e}",
            hint="find features that float32 cannot represent, then train again",
        )
