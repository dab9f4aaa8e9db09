"""What a command imports: help, a plan, and a run with nothing to do pay for no orchestrator."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.resources.dvc_project import DvcProject

#: One repository for all of them, in one process.
pytestmark = [pytest.mark.process]

HEAVY = {"dagster", "dagster_shared", "dvc", "dvc_data", "mlflow", "numpy", "pandas", "sqlalchemy"}
PROGRAM = """
import json, sys
from ml_assets.cli import main
try:
    code = main(sys.argv[2:])
except SystemExit as ended:
    code = ended.code
with open(sys.argv[1], "w") as file:
    json.dump({"code": code, "modules": sorted({name.split(".")[0] for name in sys.modules})}, file)
"""


@pytest.fixture(scope="module")
def done(empty_project: DvcProject, tmp_path_factory: pytest.TempPathFactory) -> DvcProject:
    """A repository in which everything has run, with a stage of every plain kind."""
    repository = empty_project.copy(tmp_path_factory.mktemp("cost") / "repository")
    repository.write("raw.txt", "1\n")
    repository.write("params.yaml", "rate: 0.1\n")
    repository.add("raw.txt")
    repository.stages(
        {
            "one": {
                "cmd": "mkdir -p tree; cp raw.txt tree/a",
                "deps": ["raw.txt"],
                "params": ["rate"],
                "outs": ["tree"],
            },
            "two": {
                "cmd": "echo '{\"a\": 1}' > m.json",
                "deps": ["tree"],
                "metrics": [{"m.json": {"cache": False}}],
            },
        }
    )
    assert run(repository, "run")["code"] == 0
    # What Git ignores has changed, and with it where DVC looks: the graph is read once more.
    assert run(repository, "plan")["code"] == 0
    return repository


def run(repository: DvcProject, *words: str) -> dict[str, Any]:
    """Run a command in a process of its own and tell its exit code and what it imported."""
    answer = repository.root.parent / "answer.json"
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(answer), *words],
        cwd=repository.root,
        env={name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    document: dict[str, Any] = json.loads(answer.read_text())
    return {**document, "out": finished.stdout, "err": finished.stderr}


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("run", "--help"),
        ("ui", "--help"),
        ("plan",),
        ("plan", "--json"),
        ("plan", "--select", "+two"),
        ("run",),
        ("run", "--json"),
        ("run", "--select", "tree"),
        ("nothing",),
    ],
    ids=" ".join,
)
def test_command_with_nothing_to_do_imports_neither_dagster_nor_dvc(
    done: DvcProject, words: tuple[str, ...]
) -> None:
    answer = run(done, *words)

    assert answer["code"] == (2 if words == ("nothing",) else 0)
    assert HEAVY & set(answer["modules"]) == set()


def test_run_with_nothing_to_do_says_that_all_is_fresh(done: DvcProject) -> None:
    answer = run(done, "run", "--json")

    document = json.loads(answer["out"])
    assert {asset["action"] for asset in document["assets"]} == {"skip"}
    assert document["status"] == "passed"
    assert document["run_id"] is None
    assert answer["err"] == ""


def test_run_with_something_to_do_does_import_them(done: DvcProject, tmp_path: Path) -> None:
    changed = done.copy(tmp_path / "repository")
    changed.write("params.yaml", "rate: 0.2\n")

    answer = run(changed, "run")

    assert answer["code"] == 0
    assert "dagster" in answer["modules"]


def test_verify_imports_neither_gates_nor_the_run_of_a_stage() -> None:
    program = "import sys, ml_assets.commands.verify as _; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    unneeded = ("ml_assets.gating", "ml_assets.proof.rebuild", "resources.advisory_feed")
    assert [name for name in done.stdout.split() if name.startswith(unneeded)] == []
