"""The worker: the process of a run, which shows that it is there for as long as it lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ml_assets.orchestration.instance.worker import Life, list_workers, look_at

pytestmark = pytest.mark.process

_WORK = """
import subprocess, sys
from pathlib import Path
from ml_assets.orchestration.instance.worker import appear
appear(Path(sys.argv[1]), "the-run")
child = subprocess.Popen(["sleep", "30"], start_new_session=True)
print(child.pid, flush=True)
sys.stdin.readline()
"""


def test_worker_is_there_until_it_is_killed_whatever_it_has_started(tmp_path: Path) -> None:
    """Its death shows at once, although a process that it has started lives on."""
    assert look_at(tmp_path, "the-run") == (Life.UNKNOWN, None)
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORK, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    child = int(worker.stdout.readline())
    try:
        assert look_at(tmp_path, "the-run") == (Life.THERE, worker.pid)
        assert look_at(tmp_path, "another-run") == (Life.UNKNOWN, None)
        assert list(list_workers(tmp_path)) == [worker.pid]
        worker.kill()
        worker.communicate()
        assert look_at(tmp_path, "the-run") == (Life.GONE, None)
        assert list(list_workers(tmp_path)) == list(list_workers(tmp_path / "none")) == []
    finally:
        subprocess.run(["kill", str(child)], check=True)
