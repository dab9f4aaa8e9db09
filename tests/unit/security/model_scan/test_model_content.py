"""What is a model is decided by its content: under any name, and data is none."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from test_accidental_pickles import TEXTS

from security.content.file_tree import read_tree
from security.model_scan.candidate import is_candidate
from security.model_scan.limits import ScanLimits
from security.model_scan.model_content import holds_model, is_model
from security.model_scan.report import ScanPurpose, ScanStatus
from security.model_scan.scan import scan_descriptor
from security.statements.statement import Subject
from security.verify.verification_subject import VerificationSubject, read_subject

CSV = b"a,b\n" + b"1,2\n" * 30_000
NOISE = random.Random(3).randbytes(9_000)
PICKLE = pickle.dumps({"weights": [1.0, 2.0]})


def pack_zip(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def pack_tar(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def save_array(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def save_onnx() -> bytes:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    return bytes(onnx.helper.make_model(graph).SerializeToString())


def save_tensors() -> bytes:
    header = json.dumps({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}).encode()
    return len(header).to_bytes(8, "little") + header + b"ab"


def save_parquet() -> bytes:
    stream = io.BytesIO()
    pd.DataFrame({"a": [1, 2]}).to_parquet(stream)
    return stream.getvalue()


MODELS = {
    "pickle": PICKLE,
    "pickle in gzip": gzip.compress(PICKLE),
    "pickle in gzip twice": gzip.compress(gzip.compress(PICKLE)),
    "pickle in zip": pack_zip(a=CSV, b=PICKLE),
    "stored pickle in zip": pack_zip(zipfile.ZIP_STORED, a=CSV, b=PICKLE),
    "pickle in zip in zip": pack_zip(a=pack_zip(b=PICKLE)),
    "pickle in tar": pack_tar(a=CSV, b=PICKLE),
    "pickle in tar.gz": gzip.compress(pack_tar(a=CSV, b=PICKLE)),
    "gzip in tar": pack_tar(a=CSV, b=gzip.compress(PICKLE)),
    "pickle in a zip after a table": CSV + pack_zip(**{"a.pkl": PICKLE}),
    "zip in gzip": gzip.compress(pack_zip(a=PICKLE)),
    "array of objects": save_array(np.array([{}], dtype=object), allow_pickle=True),
    "onnx": save_onnx(),
    "onnx in zip": pack_zip(a=save_onnx()),
    "safetensors": save_tensors(),
    "gguf": b"GGUF" + NOISE,
    "lightgbm": b"tree\nversion=v4\nnum_class=1\n",
    "xgboost": b"{L\0\0\0\0\0\0\0\x07learner{" + NOISE,
    "skops": pack_zip(**{"schema.json": b'{"\\u005f_loader__": "DictNode"}'}),
    "skops with an unreadable schema": pack_zip(**{"schema.json": b"{"}),
    "keras in zip": pack_zip(**{"config.json": b"{}", "model.weights.h5": NOISE}),
    "keras in hdf5": b"\x89HDF\r\n\x1a\n" + NOISE + b"model_config",
    "text pickle that acts": b"cos\nsystem\n(S'true'\ntR.",
    "gzip nested too deeply": gzip.compress(
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(CSV))))
    ),
}
DATA = {
    "nothing": b"",
    "csv": CSV,
    "csv.gz": gzip.compress(CSV),
    "json": json.dumps({"learner": [1] * 9}).encode(),
    "parquet": save_parquet(),
    "arrays": save_array(np.arange(9.0)),
    "npz": pack_zip(**{"a.npy": save_array(np.arange(9.0))}),
    "zip of tables": pack_zip(a=CSV, b=b"{}", c=NOISE),
    "tar of tables": pack_tar(a=CSV, b=NOISE),
    "tar.gz of tables": gzip.compress(pack_tar(a=CSV, b=NOISE)),
    "zip with the schema of a table": pack_zip(**{"schema.json": b'{"fields": []}', "a.csv": CSV}),
    "noise": NOISE,
    "sqlite": b"SQLite format 3\0" + NOISE,
    "png": b"\x89PNG\r\n\x1a\n" + NOISE,
    "hdf5": b"\x89HDF\r\n\x1a\n" + NOISE,
    "text like zlib": b"x y\n1 2\n",
    "text like lightgbm": b"tree\noak\n",
    "text like xgboost": b"{L is a text}",
    "bytes like onnx": b"\x08\x07\x12\x03abc" + NOISE,
    "damaged gzip": gzip.compress(CSV)[:-900],
}


def ask(path: Path, content: bytes) -> bool:
    """Say whether content is a model; all answers to the question agree."""
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        answer = is_model(descriptor, len(content))
        # The gate judges what is a candidate: no model may be left out by it.
        assert is_candidate(descriptor, len(content)) or not answer
    finally:
        os.close(descriptor)
    assert holds_model(path) is holds_model(path.parent) is answer
    assert read_subject(path).holds_model() is read_subject(path.parent).holds_model() is answer
    return answer


@pytest.mark.parametrize("name", MODELS)
def test_model_under_another_name_is_one(tmp_path: Path, name: str) -> None:
    assert ask(tmp_path / "notes.txt", MODELS[name])


@pytest.mark.parametrize("name", DATA)
def test_data_is_no_model(tmp_path: Path, name: str) -> None:
    assert not ask(tmp_path / "notes.txt", DATA[name])


@pytest.mark.parametrize("text", TEXTS)
def test_text_that_starts_like_a_pickle_is_no_model(tmp_path: Path, text: bytes) -> None:
    assert not ask(tmp_path / "notes.txt", text)


@pytest.mark.parametrize("first", range(256))
def test_short_cut_for_texts_agrees_with_the_search(tmp_path: Path, first: int) -> None:
    rest = b"os\nsystem\n(S'true'\ntR0cos\nsystem\n(S'true'\ntR."
    for content in (bytes([first]) + rest, bytes([first]) + b"ree\nversion=v4\n", bytes([first])):
        ask(tmp_path / "notes.txt", content)


def test_one_model_among_many_files_counts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    assert not read_subject(tmp_path).holds_model()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "notes.txt").write_bytes(PICKLE)
    assert read_subject(tmp_path).holds_model() and holds_model(tmp_path)


def test_file_that_changed_after_it_was_read_may_be_a_model(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)
    subject = read_subject(path)
    path.unlink()
    path.write_bytes(CSV)
    assert subject.holds_model()
    path.unlink()
    assert subject.holds_model()


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
        st.text("abdeghlopqrstu0123456789.()}\n cdI'SVNq", max_size=60).map(str.encode),
    )
)
def test_short_way_of_verify_agrees_with_the_search(content: bytes) -> None:
    """Short texts are no models without a search, which takes long to import."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "a")
        path.write_bytes(content)
        assert read_subject(path).holds_model() == holds_model(path)


def test_digest_without_bytes_has_no_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(PICKLE)
    subject = Subject("a", read_tree(tmp_path / "a").digest)
    assert not VerificationSubject(subject).holds_model()


@pytest.mark.parametrize("name", [name for name in DATA if name.startswith(("zip", "tar", "csv"))])
def test_data_in_archives_is_not_blocked(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").write_bytes(DATA[name])
    descriptor = os.open(tmp_path / "a", os.O_RDONLY)
    try:
        scan = scan_descriptor(descriptor, ScanLimits(), ScanPurpose.DATA)
    finally:
        os.close(descriptor)
    assert scan.status is ScanStatus.CLEAN, scan
