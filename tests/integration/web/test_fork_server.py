"""The fork server of the UI: its processes are like those that Dagster starts itself."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from ml_assets.orchestration.web.fork_server import DagsterCommand, ForkedProcess
from resources.code_server import CodeServer, find_code_server

DAGSTER = [sys.executable, "-m", "dagster"]


@pytest.fixture(autouse=True, scope="module")
def _stopped() -> Iterator[None]:
    """No fork server is left behind."""
    yield
    own: Any = forkserver
    own._forkserver._stop()


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """The variables of a command of Dagster."""
    return {**os.environ, "DAGSTER_HOME": str(tmp_path)}


def _describe(path: Path, further: int) -> None:
    found = {"parent": os.getppid(), "named": os.environ.get("NAMED")}
    path.with_name(str(further)).write_text(json.dumps(found))
    if further:
        os.environ["NAMED"] = "by a forked process"
        child = ForkedProcess(target=_describe, args=(path, further - 1))
        child.start()
        child.join()


def test_forked_process_has_the_variables_of_its_starter_and_forks_from_the_same_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAMED", "by the test")
    process = ForkedProcess(target=_describe, args=(tmp_path / "found", 1))
    process.start()
    process.join(60)
    first, second = (json.loads((tmp_path / name).read_text()) for name in ("1", "0"))
    assert (first["named"], second["named"]) == ("by the test", "by a forked process")
    assert first["parent"] == second["parent"] != os.getpid()


@pytest.mark.parametrize(("word", "code"), [("--version", 0), ("no-such-command", 2)])
def test_command_ends_with_the_exit_code_of_dagster(
    variables: dict[str, str], word: str, code: int
) -> None:
    command = DagsterCommand([*DAGSTER, word], variables)
    assert command.wait(60) == code
    assert command.poll() == command.returncode == code


def test_command_that_runs_can_be_ended(variables: dict[str, str], tmp_path: Path) -> None:
    """This process does not wait for it at its own end: it is none of its children."""
    server = [*DAGSTER, "api", "grpc", "--socket", str(tmp_path / "s"), "--empty-working-directory"]
    command = DagsterCommand([*server, "-m", "ml_assets"], variables)
    with pytest.raises(subprocess.TimeoutExpired):
        command.wait(0.01)
    assert command.poll() is None
    assert multiprocessing.active_children() == []
    time.sleep(0.1)
    command.kill()
    assert command.wait(60) == -9


def test_variable_names_the_code_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_code_server() is None
    monkeypatch.setenv("ML_ASSETS_CODE_SERVER", "/run/socket")
    assert find_code_server() == CodeServer("/run/socket", "localhost", None)
