"""Orphans: stages of a run that was killed are ended, and nobody else is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.dvc.run.leftover_processes import end_orphans

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.process,
]


def start(**marks: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], env={**os.environ, **marks}, start_new_session=True)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_stage_of_a_killed_run_is_ended(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    one = start(DVC_ROOT=str(tmp_path), DVC_STAGE="train")
    two = start(DVC_ROOT=str(tmp_path), DVC_STAGE="evaluate")
    started += [one, two]
    assert set(end_orphans(tmp_path)) == {one.pid, two.pid}
    assert one.wait(10) == two.wait(10) == -9


def test_nobody_else_is_ended(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    started += [
        start(DVC_ROOT=f"{tmp_path}2", DVC_STAGE="train"),
        start(DVC_ROOT=str(tmp_path)),
        start(DVC_STAGE="train", OTHER=f"DVC_ROOT={tmp_path}"),
        start(),
    ]
    assert end_orphans(tmp_path) == []
    assert [process.poll() for process in started] == [None] * 4
