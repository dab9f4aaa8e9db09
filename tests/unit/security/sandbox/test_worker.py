"""The answer of a worker is one line of ASCII, and a worker cannot undo its limits."""

import subprocess
import sys
from pathlib import Path

import pytest

from security.sandbox import worker
from security.sandbox.worker import read_answer

ROOT = Path(worker.__file__).parents[2]


def test_answer_is_one_line() -> None:
    assert read_answer(b"{}\n") == "{}"
    assert read_answer(b"{}\n", 3) == "{}"


@pytest.mark.parametrize(
    "output", [b"", b"{}", b"{}\n{}", b"{}\n{}\n", b"\n{}", b"{}\n\n", "ä\n".encode()]
)
def test_anything_else_is_refused(output: bytes) -> None:
    with pytest.raises(ValueError, match="not one line"):
        read_answer(output)


def test_answer_that_is_too_long_is_refused_even_if_it_starts_with_a_line() -> None:
    with pytest.raises(ValueError, match="too long"):
        read_answer(b"{}\nmore", 3)


@pytest.mark.process
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("os.write(os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY), b'x')", "File too large"),
        ("bytearray(1 << 30)", "MemoryError"),
        ("[os.dup(0) for _ in range(9)]", "Too many open files"),
    ],
)
def test_worker_keeps_to_its_limits(tmp_path: Path, code: str, error: str) -> None:
    program = (
        "import os, signal, sys; sys.path.append(sys.argv[1]);"
        "from security.sandbox.worker import restrict;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"restrict(1 << 29, 5, descriptors=8); {code}"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(ROOT), str(tmp_path / "file")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended
    assert error in ended.stderr
