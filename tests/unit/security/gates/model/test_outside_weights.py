"""Weights of an ONNX model in another file pass if that file, in the same out, holds them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from tests.unit.security.gates.model.test_data_and_models import judge

pytestmark = pytest.mark.process

WEIGHTS = random.Random(3).randbytes(400)


def model(location: str = "w.bin", offset: int = 0, length: int = 400) -> bytes:
    """Write a model of one tensor in another file."""
    tensor = TensorProto(name="w", data_type=1, dims=[100], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "g", [x], [x], [tensor])
    return bytes(helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize("location", ["w.bin", "./w.bin", "data/w.bin"])
def test_weights_that_their_file_holds_pass(tmp_path: Path, location: str) -> None:
    files = {"m/model.onnx": model(location), f"m/{location.removeprefix('./')}": WEIGHTS}
    report = judge(tmp_path, files, "m", "m")
    assert (report.findings, report.unjudged) == ((), None)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (model(offset=4), "onnx-external-range"),
        (model(offset=1 << 40), "onnx-external-range"),
        (model("other.bin"), "unknown-format"),
        (model("../w.bin"), "onnx-external-path"),
    ],
)
def test_weights_that_lie_are_found(tmp_path: Path, content: bytes, rule: str) -> None:
    files = {"m/model.onnx": content, "m/w.bin": WEIGHTS, "w.bin": WEIGHTS}
    assert rule in {one.id for one in judge(tmp_path, files, "m", "m").findings}
