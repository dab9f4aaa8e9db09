"""A hostile checkout, with packages of our names and Dagster's: none of its code gets into us.

Each planted module leaves a note when it is executed, wherever Python found it.
"""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.dagster.asset_flow import command_environment
from tests.unit.resources.dvc_project import DvcProject

SCRIPT = Path(sys.executable).with_name("ml-assets")
PACKAGES = ["ml_assets", "security", "resources", "sensors", "dagster", "dvc", "sqlalchemy", "yaml"]
MODULES = ["sitecustomize", "usercustomize", "conftest", "json", "argparse", "dagster_webserver"]
NOTE = "import os\nwith open({note!r}, 'a') as note: note.write(__file__ + '\\n')\n"
QUERY = "{ assetNodes { assetKey { path } isMaterializable } }"


def plant(directory: Path, note: Path) -> None:
    """Put modules that would be executed in place of ours into a directory."""
    text = NOTE.format(note=str(note))
    for name in PACKAGES:
        (directory / name).mkdir(parents=True)
        (directory / name / "__init__.py").write_text(text)
        for part in ("cli", "definitions", "__main__"):
            (directory / name / f"{part}.py").write_text(text)
    for name in MODULES:
        (directory / f"{name}.py").write_text(text)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """What the planted code writes; nobody else does."""
    return tmp_path / "note"


@pytest.fixture
def hostile(repository: DvcProject, note: Path) -> DvcProject:
    """The flow with planted modules in the root of its checkout."""
    plant(repository.root, note)
    return repository


def executed(note: Path) -> str:
    return note.read_text() if note.exists() else ""


def run_script(project: DvcProject, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the console script as a user does who has changed into the checkout."""
    return subprocess.run(
        [str(SCRIPT), *words],
        cwd=project.root,
        env=command_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_planted_code_would_be_executed_if_it_were_found(hostile: DvcProject, note: Path) -> None:
    for module in ("ml_assets", "security", "sitecustomize", "dagster"):
        subprocess.run([sys.executable, "-c", f"import {module}"], cwd=hostile.root, check=False)

    for module in ("ml_assets", "security", "sitecustomize", "dagster"):
        assert f"{hostile.root}/{module}" in executed(note)


def test_commands_run_in_the_checkout_never_execute_it(hostile: DvcProject, note: Path) -> None:
    plan = run_script(hostile, "plan", "--json")
    run = run_script(hostile, "run", "--json")
    again = run_script(hostile, "plan", "--select", 'key:"main/model"')

    assert (plan.returncode, run.returncode, again.returncode) == (0, 0, 0), run.stderr
    assert json.loads(run.stdout)["status"] == "passed"
    assert (hostile.root / "model" / "weights").exists()
    assert executed(note) == ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(project: DvcProject) -> Iterator[str]:
    """Run ``ml-assets ui`` in the checkout and give the address that it serves."""
    process = subprocess.Popen(
        [str(SCRIPT), "ui", "--json", "--port", str(free_port())],
        cwd=project.root,
        env=command_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline() or "{}").get("url", "")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        process.stdout.close()


def ask(url: str, query: str) -> Any:
    request = urllib.request.Request(
        f"{url}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def shown_assets(url: str) -> set[str]:
    assert url, "the UI did not start"
    nodes = ask(url, QUERY)["assetNodes"]
    return {"/".join(node["assetKey"]["path"][1:]) for node in nodes if node["isMaterializable"]}


@pytest.mark.slow
def test_ui_started_in_the_checkout_never_executes_it(hostile: DvcProject, note: Path) -> None:
    with served(hostile) as url:
        shown = shown_assets(url)

    assert shown == {"raw.txt", "sorted.txt", "model", "m.json", "loss.csv", "other.txt"}
    assert executed(note) == ""


def assert_refused(finished: subprocess.CompletedProcess[str]) -> None:
    assert finished.returncode == 2, finished
    said = finished.stderr.splitlines()
    assert len(said) == 2, said
    assert said[0].startswith("error: local state tracked by Git: ")
    assert said[1].startswith("hint: ")


@pytest.mark.parametrize("command", [["plan"], ["run"], ["ui", "--port", "0"]])
def test_local_state_that_a_commit_brings_is_refused(
    repository: DvcProject, note: Path, command: list[str]
) -> None:
    plant(repository.root / ".ml-assets" / "state" / "dagster", note)
    repository.git("add", "--force", ".ml-assets")
    repository.commit()

    assert_refused(run_script(repository, *command))
    assert executed(note) == ""


@pytest.mark.parametrize("place", [".ml-assets", ".ml-assets/state"])
def test_local_state_that_leads_elsewhere_is_refused(repository: DvcProject, place: str) -> None:
    elsewhere = repository.root / "elsewhere"
    (elsewhere / "state").mkdir(parents=True)
    (repository.root / place).parent.mkdir(exist_ok=True)
    (repository.root / place).symlink_to(elsewhere)

    assert_refused(run_script(repository, "plan"))
    assert list(elsewhere.rglob("*")) == [elsewhere / "state"]


@pytest.mark.slow
def test_local_state_that_comes_while_the_ui_runs_is_never_executed(
    hostile: DvcProject, note: Path
) -> None:
    home = hostile.root / ".ml-assets" / "state" / "dagster"
    run_script(hostile, "plan")
    home.mkdir(exist_ok=True)
    plant(home, note)

    with served(hostile) as url:
        shown = shown_assets(url)

    assert "sorted.txt" in shown
    assert executed(note) == ""


def test_manifest_that_a_commit_brings_is_not_believed(
    repository: DvcProject, note: Path, tmp_path: Path
) -> None:
    # The reviewed dvc.yaml is harmless; the commands come from a file that nobody looks at.
    made = run_script(repository, "plan")
    assert made.returncode == 0
    file = repository.root / ".ml-assets" / "state" / "manifest" / "worktree.json"
    text = file.read_text().replace(
        "echo other > other.txt", f"echo other > other.txt; touch {note}"
    )
    assert str(note) in text
    file.write_text(text)
    repository.git("add", "--force", ".ml-assets")
    repository.commit()
    clone = DvcProject(tmp_path / "clone")
    repository.git("clone", "--quiet", ".", str(clone.root))

    assert_refused(run_script(clone, "run", "--select", "other"))
    assert not note.exists()
