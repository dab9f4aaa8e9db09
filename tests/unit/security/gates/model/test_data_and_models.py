"""What is a model is decided by content: data passes whatever its name, code whatever its name."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import random
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from security.gates.interface import Report, Task
from security.gates.model.model_file import ModelFileGate
from tests.unit.security.gates.gate_tasks import build_task

pytestmark = pytest.mark.process

EVIL = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."
HDF5 = b"\x89HDF\r\n\x1a\n"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n"


def tar(members: dict[str, bytes], mode: str = "w") -> bytes:
    """Write a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Write a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def array() -> bytes:
    """Write an array of numbers."""
    buffer = io.BytesIO()
    np.save(buffer, np.arange(4.0))
    return buffer.getvalue()


def task_of(directory: Path, files: dict[str, bytes], out: str) -> Task:
    """Write files, and ask for one out of them."""
    task = build_task(directory, ModelFileGate(), files, subject=out)
    return Task(**{**{f: getattr(task, f) for f in Task.__slots__}, "out": task.directory / out})


def judge(directory: Path, files: dict[str, bytes], out: str, *declared: str) -> Report:
    """Judge an out of a project that declares some models."""
    return ModelFileGate(declared=declared).judge(task_of(directory, files, out))


DATA = {
    "raw.bin": random.Random(1).randbytes(5000),
    "weights.h5": HDF5 + bytes(600),
    "matlab.mat": b"MATLAB 7.3 MAT-file".ljust(512) + HDF5 + bytes(600),
    "table.csv": b"carrier,origin\nUA,EWR\n",
    "labels": b"cat\ndog\nbird\n",
    "records.json": b'{"class_name": "Lambda", "_target_": "a cat"}',
    "pointer.pkl": POINTER,
    "empty.pkl": b"",
    "array.npy": array(),
    "table.csv.gz": gzip.compress(b"id,name\n1,a\n"),
    "two.vcf.gz": gzip.compress(b"#" * 9000) + gzip.compress(b"more"),
    "photos.zip": zipped({"a.png": b"\x89PNG\r\n\x1a\n" + bytes(50), "b.csv": b"id\n1\n"}),
    "corpus.tar": tar({"a.txt": b"text", "data/b.bin": bytes(99)}),
    "corpus.tar.gz": tar({"a.txt": b"text", "b.zip": zipped({"c": b"text"})}, "w:gz"),
    "frames.zst": b"\x28\xb5\x2f\xfd" + bytes(90),
}


@pytest.mark.parametrize("name", DATA)
def test_data_passes_whatever_its_name(tmp_path: Path, name: str) -> None:
    report = judge(tmp_path, {name: DATA[name]}, name)
    assert (report.findings, report.unjudged) == ((), None)
    assert report.judged


NAMES = ["checkpoint.pth.tar", "final.sav", "model.p", "model.pt2", "model", "données.bin", "a.csv"]
CONTAINERS = {
    "plain": lambda content: content,
    "gzip": gzip.compress,
    "joined gzip": lambda content: gzip.compress(b"") + gzip.compress(content),
    "tar": lambda content: tar({"x": content}),
    "compressed tar": lambda content: tar({"x": content}, "w:gz"),
    "zip": lambda content: zipped({"x": content}),
    "zip in tar in gzip": lambda content: gzip.compress(tar({"x": zipped({"y": content})})),
    "tar in zip": lambda content: zipped({"x": tar({"y": content})}),
    "zip behind a picture": lambda content: b"\x89PNG\r\n\x1a\n" + zipped({"data.pkl": content}),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_code_is_found_in_any_container(tmp_path: Path, container: str) -> None:
    report = judge(tmp_path, {"data.bin": CONTAINERS[container](EVIL)}, "data.bin")
    assert report.findings


@pytest.mark.parametrize("name", NAMES)
def test_code_is_found_under_any_name_and_in_directories(tmp_path: Path, name: str) -> None:
    report = judge(tmp_path, {f"data/deep/{name}": EVIL, "data/a.txt": b"text"}, "data")
    assert {one.path for one in report.findings} == {f"data/deep/{name}".encode().decode()}


def test_code_is_found_behind_links_and_deep_directories(tmp_path: Path) -> None:
    task = task_of(tmp_path, {"data/a.txt": b"text", "other/b": EVIL}, "data")
    (task.directory / "data" / "link").symlink_to("../other")
    (task.directory / "data" / "loop").symlink_to(".")
    deep = task.directory / "data" / "/".join("d" * 150)
    os.makedirs(deep)
    (deep / "c").write_bytes(EVIL)
    report = ModelFileGate(declared=()).judge(task)
    paths = {one.path.rpartition("/")[2] for one in report.findings}
    assert paths == {"b", "c"}


def test_data_does_not_fail_for_what_nobody_can_read(tmp_path: Path) -> None:
    task = task_of(tmp_path, {"data/a.txt": b"text"}, "data")
    (task.directory / "data" / "dangling").symlink_to("nowhere")
    os.mkfifo(task.directory / "data" / "pipe")
    report = ModelFileGate(declared=()).judge(task)
    assert (report.findings, report.unjudged) == ((), None)


@pytest.mark.parametrize("out", ["m/model.txt", "m"])
def test_declared_model_of_an_unknown_format_is_a_finding(tmp_path: Path, out: str) -> None:
    content = b"no format\n\x00"
    report = judge(tmp_path, {"m/model.txt": content, "m/x": content}, out, "m")
    wanted = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert all(wanted in one.names for one in report.findings)
    assert report.findings


def test_pickle_that_cannot_be_followed_is_no_data(tmp_path: Path) -> None:
    content: Any = pickle.dumps([1, 2], 4)[:-1] + b"\x95" + bytes(8) + b"."
    report = judge(tmp_path, {"data.bin": content}, "data.bin")
    assert report.unjudged or report.findings


def test_result_depends_on_the_declaration(tmp_path: Path) -> None:
    task = task_of(tmp_path, {"a": b"?"}, "a")
    declared, data = ModelFileGate(declared=("a",)), ModelFileGate(declared=("b",))
    assert declared.tool(task).sha256 != data.tool(task).sha256
