"""The model-file gate: what could run code is found, and what was not judged is never clean."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from security.content.digest import digest_tree
from security.finding import Severity
from security.gates.interface import GateError, Kind, Place, Report, Task
from security.gates.model import model_file
from security.gates.model.model_file import ModelFileGate
from security.model_scan.limits import ScanLimits
from security.model_scan.second_opinion import parse_opinions
from tests.unit.security.gates.gate_tasks import build_task

pytestmark = pytest.mark.process

CLEAN = {"weights": np.arange(4.0), "name": "model"}


class Evil:
    """An object whose pickle runs a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def safetensors() -> bytes:
    """Write a file with one tensor."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


def task_of(directory: Path, files: dict[str, bytes], out: str, **overrides: Any) -> Task:
    """Write files and ask for one out of them."""
    task = build_task(directory, ModelFileGate(), files, subject=out, **overrides)
    return Task(**{**{f: getattr(task, f) for f in Task.__slots__}, "out": task.directory / out})


def judge(directory: Path, files: dict[str, bytes], out: str = "model") -> Report:
    """Judge one out."""
    return ModelFileGate().judge(task_of(directory, files, out))


def test_clean_model_is_judged_with_the_digest_of_its_bytes(tmp_path: Path) -> None:
    content = pickle.dumps(CLEAN)
    report = judge(tmp_path, {"models/a.pkl": content}, "models/a.pkl")
    assert (report.findings, report.judged, report.unjudged) == ((), 1, None)
    assert report.facts["sha256"] == hashlib.sha256(content).hexdigest()
    assert report.facts["formats"] == "pickle"


def test_dirty_model_is_found_by_both_and_never_run(tmp_path: Path) -> None:
    content = pickle.dumps(Evil(tmp_path / "ran"))
    report = judge(tmp_path, {"m/a.pkl": content}, "m/a.pkl")
    ids = {finding.id: finding for finding in report.findings}
    assert {"pickle-import", "picklescan:posix.system"} <= set(ids)
    own = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert ids["pickle-import"].aliases == ("pickle-import:posix.system", own)
    assert ids["pickle-import"].names == ("pickle-import:posix.system", own)
    assert {one.path for one in report.findings} == {"m/a.pkl"}
    assert {one.severity for one in report.findings} == {Severity.HIGH}
    assert "byte" in ids["pickle-import"].message
    assert not (tmp_path / "ran").exists()


def compressed(content: Any, method: str) -> bytes:
    """Write content as joblib does, compressed."""
    buffer = io.BytesIO()
    joblib.dump(content, buffer, compress=(method, 3))
    return buffer.getvalue()


@pytest.mark.parametrize("method", ["zlib", "gzip", "xz"])
def test_code_in_a_compressed_model_is_found_although_picklescan_is_silent(
    tmp_path: Path, method: str
) -> None:
    report = judge(tmp_path, {"model": compressed([Evil(tmp_path / "ran")], method)})
    assert "pickle-import" in {finding.id for finding in report.findings}
    assert not (tmp_path / "ran").exists()


def test_suspicion_of_picklescan_alone_is_no_finding(tmp_path: Path) -> None:
    content = pickle.dumps(np.random.default_rng(0))  # known to us, merely suspicious to it
    report = judge(tmp_path, {"model": content})
    assert (report.findings, report.unjudged) == ((), None)


def test_danger_that_only_picklescan_sees_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys; sys.path.append(sys.argv[1]); import json, os;"
        "from security.content.out_files import identify;"
        "d = os.open(sys.argv[2], os.O_RDONLY);"
        "print(json.dumps([{'identity': identify(d), 'dangerous': ['a\\n.b'], 'unread': None}]))"
    )
    monkeypatch.setattr(model_file, "_START", code)
    report = judge(tmp_path, {"model": pickle.dumps(1)})
    assert [finding.id for finding in report.findings] == ["picklescan:a\\n.b"]
    assert report.unjudged is None


@pytest.mark.parametrize(
    "code",
    [
        "",
        "raise SystemExit(1)",
        "print('[]')",
        "print('[1]')",
        "print('nothing')",
        "import os; os.kill(os.getpid(), 9)",
        'print(\'[{"identity": null, "dangerous": [], "unread": null}]\')',
        'print(\'[{"identity": [1, 2, 3, 4, 5], "dangerous": [], "unread": null}]\')',
    ],
)
def test_second_opinion_that_fails_is_no_silent_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(model_file, "_START", code)
    report = judge(tmp_path, {"model": pickle.dumps(1)})
    assert "second opinion" in str(report.unjudged) or "did not read this file" in str(
        report.unjudged
    )


def test_missing_picklescan_leaves_the_model_unjudged_and_keeps_the_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise GateError(f"tool missing: {name}", "install it")

    with_it = ModelFileGate().tool(task_of(tmp_path, {}, "model"))
    monkeypatch.setattr(model_file, "own_version", missing)
    report = judge(tmp_path, {"model": pickle.dumps(Evil(tmp_path / "ran"))})
    assert report.unjudged == "no second opinion: tool missing: picklescan"
    assert "pickle-import" in {finding.id for finding in report.findings}
    assert ModelFileGate().tool(task_of(tmp_path, {}, "model")).sha256 != with_it.sha256


def test_formats_without_pickles_need_no_second_opinion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "_START", "raise SystemExit(1)")
    report = judge(tmp_path, {"model.safetensors": safetensors()}, "model.safetensors")
    assert (report.findings, report.judged, report.unjudged) == ((), 1, None)


def test_every_file_of_a_directory_is_judged(tmp_path: Path) -> None:
    files = {
        "model/a.pkl": pickle.dumps(CLEAN),
        "model/deep/er/b\n.bin": pickle.dumps(Evil(tmp_path / "ran")),
        "model/README.md": b"# A model\n",
        "model/config.json": b'{"a": 1}\n',
        "model/shape.png": b"\x89PNG\r\n\x1a\n" + bytes(16),
    }
    report = judge(tmp_path, files)
    assert (report.judged, report.facts["skipped"], report.facts["files"]) == (2, 3, 5)
    assert {finding.path for finding in report.findings} == {"model/deep/er/b\\n.bin"}
    assert report.unjudged is None
    entries = [
        (path.removeprefix("model/"), hashlib.sha256(content).hexdigest())
        for path, content in files.items()
    ]
    assert report.facts["sha256"] == digest_tree(entries)


def test_second_opinion_of_many_files_is_asked_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "_MOST_PATHS", 1)
    evil = pickle.dumps(Evil(tmp_path / "ran"))
    report = judge(tmp_path, {"model/a": pickle.dumps(1), "model/b": evil})
    assert "picklescan:posix.system" in {finding.id for finding in report.findings}
    assert report.unjudged is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.txt", b"a\x00b"),
        ("data.txt", b"\xff\xfe"),
        ("picture.png", b"# no picture"),
        ("config.yaml", b"a: !!python/object/apply:os.system ['true']\n"),
        ("config.yaml", b"%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!none ''\n"),
        ("config.yaml", b"[!<tag:yaml.org,2002:pyth%6fn/none> '']\n"),
        ("weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)),
        ("empty", b""),
    ],
)
def test_unknown_file_beside_models_is_unjudged(tmp_path: Path, name: str, content: bytes) -> None:
    report = judge(tmp_path, {"model/a.pkl": pickle.dumps(1), f"model/{name}": content})
    assert (report.judged, report.facts["skipped"]) == (1, 0)
    assert report.unjudged is not None and report.unjudged.startswith(name)


def test_text_that_reads_as_a_pickle_is_found(tmp_path: Path) -> None:
    trick = b"cos\nsystem\n(S'true'\ntR."
    report = judge(tmp_path, {"model/a.pkl": pickle.dumps(1), "model/README.txt": trick})
    found = {(finding.id, finding.path) for finding in report.findings}
    assert ("pickle-import", "model/README.txt") in found
    assert ("picklescan:os.system", "model/README.txt") in found


def test_picture_with_an_archive_behind_it_is_found(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("data.pkl", pickle.dumps(Evil(tmp_path / "ran")))
    picture = b"\x89PNG\r\n\x1a\n" + archive.getvalue()
    report = judge(tmp_path, {"model/a.pkl": pickle.dumps(1), "model/a.png": picture})
    assert "polyglot" in {finding.id for finding in report.findings}


@pytest.mark.parametrize(
    ("name", "content"), [("code.py", b"print(1)\n"), ("text.md.exe", b"# text"), ("x", b"?")]
)
def test_unknown_file_in_a_declared_model_is_a_finding(
    tmp_path: Path, name: str, content: bytes
) -> None:
    report = judge(tmp_path, {"model/a.pkl": pickle.dumps(1), f"model/{name}": content})
    (finding,) = report.findings
    assert (finding.id, finding.path, finding.severity) == (
        "unknown-format",
        f"model/{name}",
        None,
    )
    assert finding.names == (f"sha256:{hashlib.sha256(content).hexdigest()}",)
    assert (report.judged, report.unjudged) == (2, None)


def test_declared_model_of_an_unknown_format_is_a_finding(tmp_path: Path) -> None:
    report = judge(tmp_path, {"model.txt": b"no format\nthat anyone knows\n"}, "model.txt")
    assert [one.id for one in report.findings] == ["unknown-format"]
    assert (report.judged, report.unjudged) == (1, None)


def test_model_that_is_a_json_document_is_judged(tmp_path: Path) -> None:
    report = judge(tmp_path, {"model.json": b'{"learner": {}}\n'}, "model.json")
    assert (report.judged, report.unjudged, report.findings) == (1, None, ())


@pytest.mark.parametrize("files", [{}, {"model/README.md": b"# nothing\n"}])
def test_directory_without_a_model_is_not_judged(tmp_path: Path, files: dict[str, bytes]) -> None:
    task = task_of(tmp_path, files, "model")
    (task.directory / "model").mkdir(exist_ok=True)
    report = ModelFileGate().judge(task)
    assert (report.judged, report.unjudged) == (0, "no model file in the out")


def test_missing_model_is_not_judged(tmp_path: Path) -> None:
    assert "no such file" in str(judge(tmp_path, {}).unjudged)
    with pytest.raises(GateError, match="no model to scan"):
        ModelFileGate().judge(build_task(tmp_path, ModelFileGate(), {}))


def test_links_and_pipes_inside_are_refused_without_waiting(tmp_path: Path) -> None:
    task = task_of(tmp_path, {"model/a.pkl": pickle.dumps(1), "real/b.pkl": b"N."}, "model")
    model = task.directory / "model"
    (model / "file").symlink_to("a.pkl")
    (model / "directory").symlink_to("../real")
    os.mkfifo(model / "pipe")
    report = ModelFileGate().judge(task)
    assert report.judged == 1
    assert report.unjudged == (
        "directory: is a symbolic link; file: is a symbolic link; pipe: is not a regular file"
    )


def test_model_that_is_a_link_or_lies_behind_one_is_refused(tmp_path: Path) -> None:
    task = task_of(tmp_path, {"real.pkl": pickle.dumps(1)}, "link.pkl")
    (task.directory / "link.pkl").symlink_to("real.pkl")
    assert ModelFileGate().judge(task).unjudged == "is a symbolic link"
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.pkl").write_bytes(pickle.dumps(1))
    (task.directory / "models").symlink_to(tmp_path / "outside")
    with pytest.raises(GateError, match="behind a symbolic link: models/a.pkl"):
        ModelFileGate().judge(task_of(tmp_path, {}, "models/a.pkl"))


def test_directories_without_end_are_refused(tmp_path: Path) -> None:
    task = task_of(tmp_path, {"model/a.pkl": pickle.dumps(1)}, "model")
    os.makedirs(task.directory / "model" / "/".join("d" * 90))
    assert "nested too deeply" in str(ModelFileGate().judge(task).unjudged)


def test_more_files_than_the_limit_are_refused(tmp_path: Path) -> None:
    files = {f"model/{number}": safetensors() for number in range(3)}
    report = ModelFileGate(most_files=2).judge(task_of(tmp_path, files, "model"))
    assert (report.judged, report.unjudged) == (2, "holds more than 2 files")


def test_file_that_changes_meanwhile_is_unjudged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(tmp_path, {"model": pickle.dumps(1)}, "model")
    digest = model_file.digest_descriptor

    def write_meanwhile(descriptor: int) -> str:
        told = os.stat(task.directory / "model")
        time.sleep(0.02)  # the system's clock of file times is coarse
        (task.directory / "model").write_bytes(pickle.dumps(2))
        os.utime(task.directory / "model", ns=(told.st_atime_ns, told.st_mtime_ns))
        return digest(descriptor)

    monkeypatch.setattr(model_file, "digest_descriptor", write_meanwhile)
    assert "changed during the scan" in str(ModelFileGate().judge(task).unjudged)


def test_file_that_is_another_one_to_picklescan_is_unjudged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(tmp_path, {"model": pickle.dumps(1), "other": pickle.dumps(1)}, "model")
    code = model_file._START.replace("sys.argv[2:]", "[sys.argv[2].replace('model', 'other')]")
    monkeypatch.setattr(model_file, "_START", code)
    assert "did not read this file" in str(ModelFileGate().judge(task).unjudged)


def test_pickle_that_appears_after_picklescan_has_started_is_unjudged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(tmp_path, {"model/b.pkl": pickle.dumps(1)}, "model")
    monkeypatch.setattr(ModelFileGate, "_find_pickles", lambda *asked: ())
    report = ModelFileGate().judge(task)
    assert report.unjudged == "b.pkl: picklescan did not read this file"


def test_bomb_is_unjudged(tmp_path: Path) -> None:
    report = judge(tmp_path, {"model": zlib.compress(bytes(300 << 20), 9)})
    assert report.unjudged is not None
    assert report.judged == 0 or report.findings == ()


def test_reader_that_hangs_is_ended_at_the_time_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("security.model_scan.child._START", "import time; time.sleep(60)")
    start = time.monotonic()
    report = ModelFileGate().judge(task_of(tmp_path, {"model": b"N."}, "model", timeout=0.5))
    assert "0.5 seconds" in str(report.unjudged)
    assert time.monotonic() - start < 10


def test_many_slow_files_end_at_the_time_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("security.model_scan.child._START", "import time; time.sleep(60)")
    files = {f"model/{number}": b"N." for number in range(50)}
    with pytest.raises(GateError, match="still running after 0.5 s"):
        ModelFileGate().judge(task_of(tmp_path, files, "model", timeout=0.5))


def test_judging_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    judge(tmp_path, {"model/a": pickle.dumps(1), "model/b": b"?"})
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_tool_changes_with_its_limits_and_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(tmp_path, {}, "model")
    tool = ModelFileGate().tool(task)
    assert tool == ModelFileGate().tool(task)
    assert tool.sha256 != ModelFileGate(ScanLimits(depth=1)).tool(task).sha256
    monkeypatch.setattr(model_file, "_reader_sha256", lambda: "other")
    assert tool.sha256 != ModelFileGate().tool(task).sha256


def test_gate_reads_nothing_of_the_source_tree() -> None:
    gate = ModelFileGate()
    assert (gate.kind, gate.place) == (Kind.MODEL, Place.CHECKOUT)
    assert not gate.reads("model.pkl") and not gate.configures("pyproject.toml")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"[]\n[]\n",
        b"{}\n",
        b"[{}]\n",
        b"[[]]\n",
        b'[{"identity":[1],"dangerous":[],"unread":null}]\n',
        b'[{"identity":null,"dangerous":[1],"unread":null}]\n',
        b'[{"identity":null,"dangerous":"","unread":null}]\n',
        b'[{"identity":null,"dangerous":[],"unread":1}]\n',
    ],
)
def test_other_answer_of_picklescan_is_no_opinion(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse_opinions(text, 1)
