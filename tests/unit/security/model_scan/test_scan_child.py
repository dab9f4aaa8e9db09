"""The scan in a process of its own: its limits hold, and no answer is never a clean one."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crafted_pickles import evil

from security.model_scan import child
from security.model_scan.child import scan_in_child
from security.model_scan.limits import ScanLimits
from security.model_scan.report import Format, ScanLocation, ScanStatus, format_scan, parse_scan
from security.model_scan.scan import scan_file

pytestmark = pytest.mark.process

ROOT = Path(child.__file__).parents[2]
WITH_LIMITS = """\
import os, sys
sys.path.append(sys.argv[1])
from security.sandbox.worker import restrict
os.dup2(os.open("/dev/null", os.O_RDONLY), 3)
restrict(1 << 29, 1, descriptors=4)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write a harmless model."""
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"a": 1}))
    return path


def answer_with(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the child run other code."""
    monkeypatch.setattr(child, "_START", code)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "did not answer with one line"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "signal 9"),
        ("raise SystemError", "exit code 1"),
        ("print()", "did not answer with a scan"),
        ("print('{}')", "did not answer with a scan"),
        ("print('[]')", "did not answer with a scan"),
        ("print('[' * 100000)", "did not answer with a scan"),
        ("print('x' * 10_000_000)", "did not answer with one line"),
        ("print('{}\\\\n{}')", "did not answer with one line"),
    ],
)
def test_other_answer_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, model: Path, code: str, reason: str
) -> None:
    answer_with(monkeypatch, code.replace("\\\\", "\\"))
    scan = scan_in_child(model)
    assert scan.status is ScanStatus.UNJUDGED
    assert reason in (scan.unjudged or "") or "signal" in (scan.unjudged or "")


def test_answer_that_prints_without_end_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    answer_with(monkeypatch, "import os\nwhile True: os.write(1, b'x' * 65536)")
    assert scan_in_child(model).status is ScanStatus.UNJUDGED


def test_clean_answer_for_another_file_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    line = format_scan(scan_file(model)).replace(f'"size":{model.stat().st_size}', '"size":1')
    answer_with(monkeypatch, f"print({line!r})")
    assert "another file" in (scan_in_child(model).unjudged or "")


def test_clean_answer_of_a_process_that_fails_afterwards_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    line = format_scan(scan_file(model))
    answer_with(monkeypatch, f"import sys; print({line!r}); sys.exit(1)")
    assert scan_in_child(model).status is ScanStatus.UNJUDGED


def test_scan_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    answer_with(monkeypatch, "import time; time.sleep(60)")
    start = time.monotonic()
    scan = scan_in_child(model, ScanLimits(wall=0.5))
    assert scan.unjudged == "scan stopped: still running after 0.5 seconds"
    assert time.monotonic() - start < 10


def test_model_that_takes_too_much_processor_time_is_not_judged(tmp_path: Path) -> None:
    model = tmp_path / "model.pkl"
    model.write_bytes(b"N0" * 20_000_000 + b"N.")
    scan = scan_in_child(model, ScanLimits(cpu=1))
    assert scan.status is ScanStatus.UNJUDGED
    assert "signal" in (scan.unjudged or "")


def test_model_that_takes_too_much_memory_is_not_judged(tmp_path: Path) -> None:
    model = tmp_path / "model.pkl"
    model.write_bytes(b"(" * 4_000_000)
    scan = scan_in_child(model, ScanLimits(memory=1 << 27))
    assert scan.status is ScanStatus.UNJUDGED


@pytest.mark.parametrize(
    "code",
    [
        "open('written', 'w').write('x')",
        "open('/etc/hostname')",
        "bytearray(1 << 30)",
        "import socket; socket.socket()",
        "while True: pass",
        "os.fork() and os.pipe()",
        "os.write(os.open('written', os.O_CREAT | os.O_WRONLY), b'x')",
    ],
)
def test_child_cannot(tmp_path: Path, code: str) -> None:
    command = [sys.executable, "-I", "-S", "-c", WITH_LIMITS + code, str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert done.returncode != 0
    assert not list(tmp_path.iterdir())


def test_child_runs_nothing_that_is_installed_or_lies_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sitecustomize", "usercustomize", "json", "security", "zlib", "codecs"):
        (tmp_path / f"{name}.py").write_text("import os; os._exit(0)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "json.py"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").write_bytes(pickle.dumps(evil(str(tmp_path / "marker"))))
    assert scan_in_child("model").status is ScanStatus.DANGEROUS
    assert not (tmp_path / "marker").exists()


def test_path_is_opened_once_and_by_us(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(pickle.dumps(1))
    (tmp_path / "link").symlink_to("real")
    assert scan_in_child(tmp_path / "link").unjudged == "the path is a symbolic link"
    assert scan_in_child(tmp_path / "missing").status is ScanStatus.UNJUDGED
    assert scan_in_child(tmp_path).status is ScanStatus.UNJUDGED


def test_no_descriptor_is_left_open(model: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    scan_in_child(model)
    scan_in_child(model.parent / "missing")
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_scan_reads_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(pickle.dumps(evil("x")) + b"more")
    scan = scan_file(path)
    assert len(scan.findings) == 2
    assert parse_scan(format_scan(scan)) == scan


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "none"),
        ("findings", None),
        ("findings", [{}]),
        ("findings", ["x"]),
        ("unjudged", 1),
        ("unjudged", False),
        ("size", "1"),
        ("size", True),
        ("more", 1),
    ],
)
def test_changed_answer_is_refused(model: Path, key: str, value: object) -> None:
    record = json.loads(format_scan(scan_file(model)))
    changed = json.dumps({**record, key: value}, separators=(",", ":"))
    with pytest.raises(ValueError, match="not a scan|is not a valid"):
        parse_scan(changed)


def test_location_is_told_in_one_line() -> None:
    where = ScanLocation().enter("a.zip").enter("b\n.pkl").at(7)
    assert str(where) == "a.zip > b\\n.pkl, byte 7"
    assert str(ScanLocation()) == "the file"
    assert Format("pickle") is Format.PICKLE
