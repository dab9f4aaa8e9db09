"""Damaged, random, empty and oversized files are never clean, and none makes the scan fail."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import lzma
import os
import pickle
import socket
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
from crafted_containers import (
    HIDDEN,
    WRAPS,
    npy,
    tensors,
    torch_legacy,
    torch_tensor,
    torch_zip,
    zipped,
)
from crafted_pickles import EXECUTING, TWO_FACED, evil
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib.numpy_pickle import NumpyUnpickler

from security.model_scan.limits import ScanLimits
from security.model_scan.pickle.allowed_globals import ALLOWED
from security.model_scan.pickle.pickle_values import Global
from security.model_scan.report import Scan, ScanSeverity, ScanStatus
from security.model_scan.scan import scan_file

VALUE = {"a": np.arange(20.0), "b": ["x", np.array(["a", None], dtype=object)], "c": 1.5}


def joblib_file(compress: object = 0) -> bytes:
    """Write a value as joblib does."""
    buffer = io.BytesIO()
    joblib.dump(VALUE, buffer, compress=compress)
    return buffer.getvalue()


WHOLE: dict[str, bytes] = {
    **{f"pickle-{n}": pickle.dumps(VALUE, n) for n in range(6)},
    **{f"joblib-{m}": joblib_file((m, 3)) for m in ("zlib", "gzip", "bz2", "lzma", "xz")},
    "joblib": joblib_file(),
    "json": b'{"trees": [{"split": 0.5, "leaf": [1, -2.5e3]}], "names": ["a", null, true]}',
    "npy": npy(VALUE["a"]),
    "npy-objects": npy(VALUE["b"][1]),
    "npz": zipped({"a.npy": npy(VALUE["a"])}),
    "safetensors": tensors(
        {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, b"\0" * 16
    ),
    "torch": torch_zip(torch_tensor()),
    "torch-legacy": torch_legacy(torch_tensor()) + (3).to_bytes(8, "little") + b"\0" * 12,
}


def scan(directory: Path, content: bytes, limits: ScanLimits | None = None) -> Scan:
    """Scan content and see that the scan itself did not fail."""
    model = directory / "model"
    model.write_bytes(content)
    outcome = scan_file(model, limits)
    assert "the scan" not in (outcome.unjudged or "")
    return outcome


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a directory for all examples of a property."""
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize("name", WHOLE)
def test_whole_file_passes(directory: Path, name: str) -> None:
    assert scan(directory, WHOLE[name]).status is ScanStatus.CLEAN


@pytest.mark.parametrize("name", WHOLE)
def test_truncated_file_is_never_clean(directory: Path, name: str) -> None:
    content = WHOLE[name]
    for end in {*range(min(len(content), 40)), *range(0, len(content), 7), len(content) - 1}:
        assert scan(directory, content[:end]).status is not ScanStatus.CLEAN, end


@pytest.mark.parametrize("name", WHOLE)
def test_file_with_more_behind_it_is_never_clean(directory: Path, name: str) -> None:
    for more in (b"\0", b"x" * 100, pickle.dumps(1)):
        assert scan(directory, WHOLE[name] + more).status is not ScanStatus.CLEAN


@given(content=st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_random_bytes_do_not_fail_the_scan(directory: Path, content: bytes) -> None:
    outcome = scan(directory, content)
    assert outcome.status is not ScanStatus.CLEAN or pickle.loads(content) is not Ellipsis


@given(name=st.sampled_from(sorted(WHOLE)), data=st.data(), new=st.binary(min_size=1, max_size=4))
@settings(max_examples=400, deadline=None)
def test_changed_bytes_do_not_fail_the_scan(
    directory: Path, name: str, data: st.DataObject, new: bytes
) -> None:
    content = WHOLE[name]
    at = data.draw(st.integers(0, len(content) - 1))
    scan(directory, content[:at] + new + content[at + len(new) :])


EVIL = {
    **{name: craft("/nonexistent/marker") for name, craft in EXECUTING.items()},
    **{name: wrap(pickle.dumps(evil("/nonexistent/x"), 4)) for name, wrap in WRAPS.items()},
    **{name: craft("/nonexistent/marker") for name, craft in HIDDEN.items()},
}
OPCODES = st.sampled_from([bytes([one]) for one in b"(.0123FIJKLMNPQRSTUVXabcdeghijlopqrstu}]GBC)"])


@given(name=st.sampled_from(sorted(EVIL)), at=st.integers(0, 400), new=OPCODES)
@settings(max_examples=300, deadline=None)
def test_changed_malicious_files_do_not_fail_the_scan(
    directory: Path, name: str, at: int, new: bytes
) -> None:
    content = EVIL[name]
    at %= len(content)
    scan(directory, content[:at] + new + content[at:])


class Inert:
    """What stands in for everything that is not NumPy's or joblib's."""

    def __new__(cls, *_: object, **__: object) -> "Inert":
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


class CLoader(pickle.Unpickler):
    """CPython's loader in C; it notes what it would import."""

    def find_class(self, module: str, name: str) -> type:
        named.append(Global(module, name))
        return Inert


class PythonLoader(pickle._Unpickler):
    """CPython's loader in Python."""

    find_class = CLoader.find_class


class JoblibLoader(NumpyUnpickler):
    """joblib's loader, with its own wrapper and NumPy's element types."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__("", stream, True)

    def find_class(self, module: str, name: str) -> object:
        named.append(Global(module, name))
        real = module == "joblib.numpy_pickle" or (module, name) == ("numpy", "dtype")
        return super().find_class(module, name) if real and named[-1] in ALLOWED else Inert


named: list[Global] = []
TWO_THINGS = {name: craft for name, craft in HIDDEN.items() if name.startswith("tensors-as")}
SEEDS = {
    **WHOLE,
    **{name: craft("/nonexistent/x") for name, craft in {**TWO_FACED, **TWO_THINGS}.items()},
}


@given(name=st.sampled_from(sorted(SEEDS)), data=st.data(), new=OPCODES | st.binary(max_size=4))
@settings(max_examples=400, deadline=None)
def test_clean_file_names_nothing_but_what_is_allowed_to_any_loader(
    directory: Path, name: str, data: st.DataObject, new: bytes
) -> None:
    content = SEEDS[name]
    at = data.draw(st.integers(0, min(len(content), 400)))
    cut = data.draw(st.integers(0, 4))
    content = content[:at] + new + content[at + cut :]
    if scan(directory, content).status is not ScanStatus.CLEAN:
        return
    for loader in (CLoader, PythonLoader, JoblibLoader):
        named.clear()
        with contextlib.suppress(Exception):
            loader(io.BytesIO(content)).load()
        assert set(named) <= ALLOWED.keys(), loader


def test_empty_file_is_refused(directory: Path) -> None:
    assert scan(directory, b"").unjudged == "the file is empty"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x04\x22\x4d\x18" + b"\0" * 20, "lz4"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 20, "HDF5"),
        (b"GGUF" + b"\0" * 20, "GGUF"),
        (b"PK\x05\x06" + b"\0" * 18, "without members"),
        (b"\x28\xb5\x2f\xfd" + b"\0" * 20, "zstandard"),
        (b"\x00\x01\x02", "unknown format"),
    ],
)
def test_format_that_is_not_read_is_refused_by_name(
    directory: Path, content: bytes, reason: str
) -> None:
    assert reason in (scan(directory, content).unjudged or "")


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b"[Infinity]",
        b'{"a": "\xff"}',
        b'{"a": 1} {"b": 2}',
        b"[" * 100_000,
        b'{"a": ' * 20_000 + b"1" + b"}" * 20_000,
        b"[1, 2,]",
        b'\xef\xbb\xbf{"a": 1}',
    ],
    ids=lambda content: str(content[:12]),
)
def test_document_that_is_not_json_to_everybody_is_refused(directory: Path, content: bytes) -> None:
    assert scan(directory, content).status is not ScanStatus.CLEAN


@pytest.mark.parametrize(
    "key",
    [
        "py/object",
        "py/reduce",
        "PY/repr",
        "_target_",
        "__class__",
        "__reduce__",
        "__loader__",
        "class_name",
        "registered_name",
        "@type",
        "$type",
    ],
)
@pytest.mark.parametrize("deep", [False, True], ids=["at the top", "deep inside"])
def test_document_that_names_what_to_make_is_refused(directory: Path, key: str, deep: bool) -> None:
    value: object = {key: "os.system"}
    content = json.dumps({"layers": [[{"config": value}]]} if deep else value).encode()

    assert "names a type or callable" in (scan(directory, content).unjudged or "")


def test_key_that_is_written_with_escapes_is_refused_as_well(directory: Path) -> None:
    content = b'{"\\u0070y/object": "os.system"}'

    assert "names a type or callable" in (scan(directory, content).unjudged or "")


def test_document_beyond_the_limit_is_refused(directory: Path) -> None:
    content = b'{"a": [' + b"1, " * 1000 + b"1]}"

    assert scan(directory, content).status is ScanStatus.CLEAN
    small = scan(directory, content, ScanLimits(header=100))
    assert small.unjudged == "JSON document longer than the limit"


def test_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(pickle.dumps(1))
    (tmp_path / "link").symlink_to("real")
    assert scan_file(tmp_path / "link").unjudged == "the path is a symbolic link"


@pytest.mark.process
def test_what_is_not_a_plain_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    for name in ("pipe", "socket", "missing", "a\0b", ""):
        path = str(tmp_path / name) if name else str(tmp_path)
        outcome = scan_file(path)
        assert outcome.status is ScanStatus.UNJUDGED, name
    server.close()


def test_decompression_bomb_is_refused(directory: Path) -> None:
    raw = pickle.dumps(b"\0" * (72 << 20))
    small = ScanLimits(unpacked=16 << 20)
    for packed in (gzip.compress(raw, 9), lzma.compress(raw, preset=0)):
        assert "unpacked size exceeds the limit" in (scan(directory, packed, small).unjudged or "")
    twice = gzip.compress(gzip.compress(raw, 9), 9)
    assert "decompression bomb" in (scan(directory, twice).unjudged or "")
    members = io.BytesIO()
    with zipfile.ZipFile(members, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.pkl", raw)
    assert "unpacked size exceeds the limit" in (
        scan(directory, members.getvalue(), small).unjudged or ""
    )


def test_zip_of_many_members_is_refused(directory: Path) -> None:
    members = {f"{n}.pkl": b"N." for n in range(20)}
    assert scan(directory, zipped(members)).status is ScanStatus.CLEAN
    refused = scan(directory, zipped(members), ScanLimits(members=19))
    assert "more than 19 members" in (refused.unjudged or "")


@pytest.mark.parametrize("wrap", ["gzip", "zip"])
def test_containers_in_containers_are_refused_beyond_the_limit(directory: Path, wrap: str) -> None:
    content = pickle.dumps(1)
    for _ in range(8):
        content = WRAPS[wrap](content)
    assert scan(directory, content).status is ScanStatus.CLEAN
    refused = scan(directory, WRAPS[wrap](content))
    assert "nested too deeply" in (refused.unjudged or "")


def test_gzip_that_holds_itself_is_refused(directory: Path) -> None:
    head = bytes.fromhex("1f8b08000000000000ff")
    assert scan(directory, head * 50).status is ScanStatus.UNJUDGED


def test_thousands_of_findings_are_cut_and_counted(directory: Path) -> None:
    many = b"".join(b"cmod%d\nname\n0" % n for n in range(10_000)) + b"N."
    outcome = scan(directory, many)
    assert len(outcome.findings) == ScanLimits().findings
    assert outcome.unjudged == "findings beyond the limit: 9800"


def test_names_in_messages_cannot_break_a_line(directory: Path) -> None:
    outcome = scan(directory, pickle.dumps(1)[:2] + b"cos\x1b[2J\r\nsystem\xe2\x80\xae\n.")
    (finding,) = outcome.findings
    assert finding.message.isprintable()
    assert finding.subject.isprintable()
    assert finding.severity is ScanSeverity.HIGH
    assert "\\x1b" in finding.message


def test_later_members_are_judged_behind_one_that_cannot_be(directory: Path) -> None:
    content = zipped({"a.bin": b"\0\0\0", "b.pkl": pickle.dumps(evil("/nonexistent/x"))})
    outcome = scan(directory, content)
    assert outcome.status is ScanStatus.DANGEROUS
    assert "a.bin" in (outcome.unjudged or "")
    assert {one.location.inside for one in outcome.findings} == {("b.pkl",)}


@pytest.mark.parametrize(
    "header",
    [
        {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 12]}},
        {"w": {"dtype": "F32", "shape": [4], "data_offsets": [4, 20]}},
        {"w": {"dtype": "F33", "shape": [4], "data_offsets": [0, 16]}},
        {"w": {"dtype": "F32", "shape": [-4], "data_offsets": [0, -16]}},
        {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16], "call": "x"}},
        {"w": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}},
        {"__metadata__": {"a": 1}},
        {"w": []},
        [],
        b'{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{}}',
        b"{" * 50_000,
        b'{"a":' * 50_000,
        b"{\xff}",
    ],
)
def test_safetensors_that_do_not_follow_the_format_are_refused(
    directory: Path, header: object
) -> None:
    assert scan(directory, tensors(header, b"\0" * 16)).status is not ScanStatus.CLEAN


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (9,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': 3, }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 2), }",
        "{'descr': '<q9', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': ('<f8', 'x'), 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a',)], 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (1,), }",
        "{'descr': '<f8', 'shape': (1,)}",
        "{'descr': __import__('os').system('x')}",
        "-" * 9000 + "1",
        "(" * 9000,
        "[" * 150 + "]" * 150,
        "x" * 20_000,
    ],
)
def test_npy_header_that_numpy_does_not_write_is_refused(directory: Path, header: str) -> None:
    raw = header.encode()
    content = b"\x93NUMPY\x02\0" + len(raw).to_bytes(4, "little") + raw + b"\0" * 8
    assert scan(directory, content).status is ScanStatus.UNJUDGED
