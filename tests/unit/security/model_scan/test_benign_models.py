"""What people save as models passes, in every format and compression."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pytest
from benign_models import CORE, NAMES, X, benign
from crafted_containers import (
    deflated,
    npy,
    skops_schema,
    tensors,
    torch_legacy,
    torch_tensor,
    torch_zip,
    zipped,
)
from onnx import TensorProto, helper
from skl2onnx import to_onnx

from security.model_scan.child import scan_in_child
from security.model_scan.report import Format, Scan, ScanStatus
from security.model_scan.scan import scan_file

COMPRESSIONS = ["zlib", "gzip", "bz2", "lzma", "xz"]


def scan(tmp_path: Path, content: bytes) -> Scan:
    """Scan content that passes."""
    model = tmp_path / "model"
    model.write_bytes(content)
    outcome = scan_file(model)
    assert outcome.status is ScanStatus.CLEAN, outcome
    return outcome


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", NAMES)
def test_pickle_passes(tmp_path: Path, name: str, protocol: int) -> None:
    content = pickle.dumps(benign()[name], protocol)
    assert scan(tmp_path, content).format is Format.PICKLE


@pytest.mark.parametrize("indent", [None, 2])
def test_json_passes(tmp_path: Path, indent: int | None) -> None:
    trees = {"learner": {"trees": [{"split": [0.5, -1e-3], "left": [1, 2]}], "class": None}}
    content = b"\n " + json.dumps(trees, indent=indent).encode() + b"\n"
    assert scan(tmp_path, content).format is Format.JSON


def dump(value: Any, compress: object = 0, protocol: int | None = None) -> bytes:
    """Write as joblib does."""
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=compress, protocol=protocol)
    return buffer.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_joblib_file_passes(tmp_path: Path, name: str) -> None:
    assert scan(tmp_path, dump(benign()[name])).format in (Format.JOBLIB, Format.PICKLE)


@pytest.mark.parametrize("method", COMPRESSIONS)
@pytest.mark.parametrize("name", [*CORE, "columns", "frame", "array-of-objects", "arrays-in-dict"])
def test_compressed_joblib_file_passes(tmp_path: Path, name: str, method: str) -> None:
    scan(tmp_path, dump(benign()[name], (method, 3)))


@pytest.mark.parametrize("protocol", range(6))
def test_joblib_file_of_any_protocol_passes(tmp_path: Path, protocol: int) -> None:
    scan(tmp_path, dump(benign()["arrays-in-dict"], protocol=protocol))


@pytest.mark.process
@pytest.mark.parametrize("name", ["pipeline", "columns", "arrays-in-dict"])
def test_child_says_the_same(tmp_path: Path, name: str) -> None:
    model = tmp_path / "model"
    model.write_bytes(dump(benign()[name], 3))
    outcome = scan_in_child(model)
    assert outcome.status is ScanStatus.CLEAN
    assert outcome == scan_file(model)


ARRAYS = [name for name in NAMES if name.startswith("array-") or name == "array"]


@pytest.mark.parametrize("name", [one for one in ARRAYS if one != "array-masked"])
def test_npy_passes(tmp_path: Path, name: str) -> None:
    assert scan(tmp_path, npy(benign()[name])).format is Format.NPY


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_passes(tmp_path: Path, save: Any) -> None:
    buffer = io.BytesIO()
    save(buffer, a=X, A=np.array([1, None], dtype=object), c=np.zeros(3, "U5"))
    assert scan(tmp_path, buffer.getvalue()).format is Format.NPZ


def test_zip_of_models_passes(tmp_path: Path) -> None:
    members = {"folder/a.pkl": pickle.dumps(X), "b.joblib": dump(benign()["pipeline"], 3)}
    assert scan(tmp_path, zipped(members)).format is Format.ZIP
    assert scan(tmp_path, deflated({**members, "c.npz.gz": gzip.compress(npy(X))}))


class Pipe(io.RawIOBase):
    """A file without a position, to which zip writes sizes behind each member, as PyTorch does."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self.content += bytes(piece)
        return len(piece)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_with_sizes_behind_members_passes_unless_they_differ(
    tmp_path: Path, method: int
) -> None:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", method) as archive:
        archive.writestr("a.npy", npy(X))
        archive.writestr("b.npy", npy(X))
    assert scan(tmp_path, pipe.content).format is Format.NPZ
    at = pipe.content.index(b"PK\x07\x08") + 9
    model = tmp_path / "model"
    model.write_bytes(pipe.content[:at] + b"\x77" + pipe.content[at + 1 :])
    assert "missing or wrong data descriptor" in (scan_file(model).unjudged or "")


@pytest.mark.parametrize("name", [*CORE, "columns", "arrays-in-dict"])
def test_skops_passes(tmp_path: Path, name: str) -> None:
    import skops.io  # takes seconds

    assert scan(tmp_path, skops.io.dumps(benign()[name])).format is Format.SKOPS


def test_skops_of_bytes_by_hand_passes(tmp_path: Path) -> None:
    node = {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": {}}
    assert scan(tmp_path, skops_schema(node)).format is Format.SKOPS


def test_torch_files_pass(tmp_path: Path) -> None:
    assert scan(tmp_path, torch_zip(torch_tensor())).format is Format.TORCH
    legacy = torch_legacy(torch_tensor(), pickle.dumps(["0"], 2))
    legacy += (3).to_bytes(8, "little") + b"\0" * 12
    assert scan(tmp_path, legacy).format is Format.TORCH_LEGACY


def test_safetensors_passes(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "b": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "a": {"dtype": "BF16", "shape": [], "data_offsets": [24, 26]},
        "empty": {"dtype": "I64", "shape": [0, 5], "data_offsets": [26, 26]},
    }
    assert scan(tmp_path, tensors(header, b"\x80" * 26)).format is Format.SAFETENSORS
    assert scan(tmp_path, tensors({})).format is Format.SAFETENSORS


@pytest.mark.parametrize("length", range(0x28, 0x200, 8))
def test_safetensors_header_of_any_length_passes(tmp_path: Path, length: int) -> None:
    scan(tmp_path, tensors(b"{}".ljust(length)))


@pytest.mark.parametrize("length", [0x58 + 256 * n for n in (40, 300, 301, 302, 1000, 3000)])
def test_safetensors_header_of_many_tensors_passes(tmp_path: Path, length: int) -> None:
    entries = {
        f"encoder.layer.{n}.attention.weight": {
            "dtype": "F32",
            "shape": [1],
            "data_offsets": [4 * n, 4 * n + 4],
        }
        for n in range(length // 120)
    }
    header = json.dumps(entries, separators=(",", ":")).encode().ljust(length)
    scan(tmp_path, tensors(header, b"\1" * 4 * len(entries)))


def test_zip64_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)
    content = zipped({"a.npy": npy(X)})
    assert b"PK\x06\x06" in content
    assert scan(tmp_path, content).format is Format.NPZ


@pytest.mark.parametrize("name", CORE)
def test_onnx_passes(tmp_path: Path, name: str) -> None:
    model = to_onnx(benign()[name], X[:1].astype(np.float32), name="model")
    assert scan(tmp_path, model.SerializeToString()).format is Format.ONNX


def onnx_with(node: onnx.NodeProto, **options: Any) -> bytes:
    """Write an ONNX model of one operator."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([node], "g", [x], [y], **options)
    return helper.make_model(graph).SerializeToString()


def test_onnx_with_branches_passes(tmp_path: Path) -> None:
    inner = helper.make_graph([helper.make_node("Abs", ["x"], ["z"])], "inner", [], [])
    node = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    scan(tmp_path, onnx_with(node, initializer=[onnx.numpy_helper.from_array(X, "w")]))


def test_onnx_operator_of_the_host_is_found(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.write_bytes(onnx_with(helper.make_node("PyOp", ["x"], ["y"], domain="ai.onnx.contrib")))
    (finding,) = scan_file(model).findings
    assert (finding.rule, finding.subject) == ("onnx-operator", "ai.onnx.contrib.PyOp")


def test_onnx_operator_that_does_not_exist_is_found_in_a_branch(tmp_path: Path) -> None:
    inner = helper.make_graph([helper.make_node("System", ["x"], ["z"])], "inner", [], [])
    model = tmp_path / "model"
    node = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    model.write_bytes(onnx_with(node))
    assert [one.subject for one in scan_file(model).findings] == ["ai.onnx.System"]


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("weights.bin", "onnx-external-data"),
        ("folder/weights.bin", "onnx-external-data"),
        ("../weights.bin", "onnx-external-path"),
        ("folder/../../weights.bin", "onnx-external-path"),
        ("/etc/passwd", "onnx-external-path"),
        ("..\\weights.bin", "onnx-external-path"),
        ("C:weights.bin", "onnx-external-path"),
        ("", "onnx-external-path"),
    ],
)
def test_onnx_weights_in_another_file_are_found(tmp_path: Path, path: str, rule: str) -> None:
    tensor = TensorProto(name="w", data_type=1, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=path)
    model = tmp_path / "model"
    node = helper.make_node("Abs", ["x"], ["y"])
    model.write_bytes(onnx_with(node, initializer=[tensor]))
    assert [one.rule for one in scan_file(model).findings] == [rule]


@pytest.mark.parametrize(
    "field",
    [b"\xfa\x07\x01x", b"\x0b", b"\x3a\xff\xff\xff\xff\x0f", b"\x40\x01", b"\x3a\x02\x0a\x05"],
)
def test_onnx_that_does_not_follow_the_format_is_refused(tmp_path: Path, field: bytes) -> None:
    model = tmp_path / "model"
    model.write_bytes(onnx_with(helper.make_node("Abs", ["x"], ["y"])) + field)
    assert scan_file(model).status is ScanStatus.UNJUDGED
