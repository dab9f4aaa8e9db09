"""Dagster's own commands on our definitions: materialize by selection, and validate."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.integration.dagster.asset_flow import command_environment
from tests.unit.resources.dvc_project import DvcProject

DAGSTER = Path(sys.executable).with_name("dagster")
MODULE = ("-m", "ml_assets.definitions")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A Dagster home of this test's own, with Dagster's own settings."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return home


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A directory that is no part of the repository."""
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


def run_dagster(
    repository: DvcProject, home: Path, directory: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(DAGSTER), *words, *MODULE],
        cwd=directory,
        env=command_environment(DAGSTER_HOME=str(home), ML_ASSETS_PROJECT=str(repository.root)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def told(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """What Dagster's storage has been told, read after the command."""
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.get() as instance:
        yield instance


def test_selected_assets_are_materialized_and_recorded(
    repository: DvcProject, home: Path, elsewhere: Path, told: dg.DagsterInstance
) -> None:
    finished = run_dagster(
        repository, home, elsewhere, "asset", "materialize", "--select", '+key:"main/model"'
    )

    assert finished.returncode == 0, finished.stderr
    assert (repository.root / "model" / "weights").read_text() == "a\nb\n"
    assert not (repository.root / "m.json").exists()
    assert {key.to_user_string() for key in told.all_asset_keys()} == {
        "main/raw.txt",
        "main/sorted.txt",
        "main/model",
    }
    (run,) = told.get_runs()
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert os.listdir(elsewhere) == []


@pytest.mark.slow
def test_steps_in_processes_of_their_own_share_one_lock_file(
    repository: DvcProject, home: Path, elsewhere: Path, told: dg.DagsterInstance
) -> None:
    repository.write("ml-assets.toml", 'granularity = "stage"\n')
    selection = 'key:"main/sorted.txt" or key:"main/other.txt"'

    finished = run_dagster(
        repository, home, elsewhere, "asset", "materialize", "--select", selection
    )

    assert finished.returncode == 0, finished.stderr
    assert set(repository.locked()) == {"prepare", "other"}
    assert (repository.root / ".gitignore").read_text().splitlines()[1:] in (
        ["/sorted.txt", "/other.txt"],
        ["/other.txt", "/sorted.txt"],
    )
    (run,) = told.get_runs()
    steps = told.get_run_step_stats(run.run_id)
    assert sorted(step.status.value for step in steps) == ["SUCCESS", "SUCCESS"]


def test_failing_stage_fails_the_command_with_its_message(
    repository: DvcProject, home: Path, elsewhere: Path, told: dg.DagsterInstance
) -> None:
    repository.write("code.sh", "echo trouble; exit 7\n")

    finished = run_dagster(
        repository, home, elsewhere, "asset", "materialize", "--select", "main/sorted.txt"
    )

    assert finished.returncode == 1
    assert "prepare: command exited with 7: sh code.sh" in finished.stderr + finished.stdout
    assert told.get_latest_materialization_event(dg.AssetKey(["main", "sorted.txt"])) is None


def test_definitions_are_valid(repository: DvcProject, home: Path, elsewhere: Path) -> None:
    finished = run_dagster(repository, home, elsewhere, "definitions", "validate")

    assert finished.returncode == 0, finished.stderr
    assert "Validation successful" in finished.stderr + finished.stdout


def test_repository_that_cannot_be_read_makes_them_invalid(
    repository: DvcProject, home: Path, elsewhere: Path
) -> None:
    repository.write("dvc.yaml", "stages: [\n")

    finished = run_dagster(repository, home, elsewhere, "definitions", "validate")

    assert finished.returncode == 1
    assert "dvc.yaml" in finished.stderr + finished.stdout


@pytest.mark.parametrize("line", ["GIT_CONFIG_COUNT=0", "ML_ASSETS_PROTECTED_BRANCH=mine"])
def test_variable_that_the_checkout_must_not_set_is_refused(
    repository: DvcProject, home: Path, line: str
) -> None:
    repository.write(".env", f"DEPTH=3\n{line}\n")
    selection = ("--select", 'key:"main/sorted.txt"')
    finished = run_dagster(repository, home, repository.root, "asset", "materialize", *selection)

    name = line.partition("=")[0]
    assert finished.returncode != 0
    assert f".env, line 2: .env must not set {name}" in finished.stderr
    assert f"hint: delete the line; where you need the variable, type: export {name}=" in (
        finished.stderr
    )
    assert not (repository.root / "sorted.txt").exists()


def test_other_variables_of_the_checkout_are_allowed(repository: DvcProject, home: Path) -> None:
    repository.write(".env", "DEPTH=3\n")
    selection = ("--select", '+key:"main/sorted.txt"')
    finished = run_dagster(repository, home, repository.root, "asset", "materialize", *selection)

    assert finished.returncode == 0, finished.stderr
    assert (repository.root / "sorted.txt").exists()
