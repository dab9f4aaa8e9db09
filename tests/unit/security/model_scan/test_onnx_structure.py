"""The tensors and functions of an ONNX model must be what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from security.model_scan.report import ScanStatus
from security.model_scan.scan import scan_file

TYPES = [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16]


def model_of(*tensors: TensorProto, functions: tuple[onnx.FunctionProto, ...] = ()) -> bytes:
    """Write a model with tensors and functions."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "g", [x], [x], tensors)
    return bytes(helper.make_model(graph, functions=functions).SerializeToString())


def raw(dims: tuple[int, ...], data: bytes, kind: int = 1) -> TensorProto:
    """Return a tensor of raw bytes."""
    return TensorProto(name="w", data_type=kind, dims=dims, raw_data=data)


def external(**pairs: str) -> TensorProto:
    """Return a tensor of 12 bytes in another file."""
    tensor = TensorProto(name="w", data_type=1, dims=(3,), data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "w.bin", **pairs}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def function(name: str, *calls: str) -> onnx.FunctionProto:
    """Return a function that calls others."""
    nodes = [helper.make_node(one, ["a"], ["b"], domain="own") for one in calls]
    return helper.make_function("own", name, ["a"], ["b"], nodes, [])


@pytest.mark.parametrize("kind", TYPES)
def test_tensor_of_each_type_passes(tmp_path: Path, kind: int) -> None:
    array = np.zeros((2, 3), helper.tensor_dtype_to_np_dtype(kind))
    typed = helper.make_tensor("t", kind, [2, 3], [0] * 6)
    model = tmp_path / "model.onnx"
    model.write_bytes(model_of(numpy_helper.from_array(array, "r"), typed))
    assert scan_file(model).status is ScanStatus.CLEAN


def test_functions_and_texts_pass(tmp_path: Path) -> None:
    texts = helper.make_tensor("t", TensorProto.STRING, [2], [b"a", b"bc"])
    model = tmp_path / "model.onnx"
    model.write_bytes(model_of(texts, functions=(function("F", "G", "G"), function("G"))))
    assert scan_file(model).status is ScanStatus.CLEAN


@pytest.mark.parametrize(
    "content",
    [
        model_of(raw((3,), bytes(11))),
        model_of(raw((1 << 40,), bytes(12))),
        model_of(raw((1 << 32, 1 << 32), bytes(12))),
        model_of(raw((-3,), bytes(12))),
        model_of(raw((3,), bytes(12), kind=99)),
        model_of(external(length="13")),
        model_of(external(offset="-1")),
        model_of(external(offset="9" * 30)),
        model_of(external(length="x")),
        model_of(functions=(function("F", "F"),)),
        model_of(functions=(function("F", "G"), function("G", "F"))),
    ],
)
def test_model_that_lies_is_unjudged(tmp_path: Path, content: bytes) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(content)
    assert scan_file(model).unjudged is not None
