"""Dagster and DVC in one environment: both sides of their antlr conflict work.

DVC's released hydra-core and omegaconf pin antlr4-python3-runtime 4.9, and Dagster's selection
parser is generated with 4.13. With 4.9 everything installs, and then every string selection fails
with a TypeError. pyproject.toml has the solution; these tests hold it on both sides.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest
import yaml

DVC_YAML = """\
stages:
  write:
    cmd: cp params.yaml out.yaml
    params: [model.depth]
    outs: [out.yaml]
"""
COMPOSED = {
    "config.yaml": "defaults:\n  - model: shallow\n  - _self_\n",
    "model/shallow.yaml": "name: shallow\ndepth: 1\n",
    "model/deep.yaml": "name: deep\ndepth: 9\n",
}


@dg.asset
def first() -> int:
    """Return a value for the next asset."""
    return 1


@dg.asset
def second(first: int) -> int:
    """Depend on the first."""
    return first + 1


@dg.asset
def unrelated() -> int:
    """Depend on nothing, and stay out of the selections below."""
    return 0


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ('key:"first"+', {"first", "second"}),
        ('+key:"second" and not key:"first"', {"second"}),
        ("*", {"first", "second", "unrelated"}),
    ],
)
def test_string_selection_is_resolved(selection: str, chosen: set[str]) -> None:
    definitions = dg.Definitions(assets=[first, second, unrelated])
    graph = definitions.resolve_asset_graph()
    keys = dg.AssetSelection.from_string(selection).resolve(graph)
    assert {key.to_user_string() for key in keys} == chosen


def test_job_of_a_string_selection_runs_what_it_names() -> None:
    job = dg.define_asset_job("chain", selection='key:"first"+')
    definitions = dg.Definitions(assets=[first, second, unrelated], jobs=[job])
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("chain").execute_in_process(instance=instance)
    assert result.success
    events = result.get_asset_materialization_events()
    assert {str(event.asset_key and event.asset_key.to_user_string()) for event in events} == {
        "first",
        "second",
    }


@pytest.mark.slow
def test_dagster_command_materializes_a_string_selection(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (tmp_path / "chain.py").write_text(
        "import dagster as dg\n"
        "@dg.asset\ndef first() -> int: return 1\n"
        "@dg.asset\ndef second(first: int) -> int: return first + 1\n"
        "defs = dg.Definitions(assets=[first, second])\n"
    )
    command = ["dagster", "asset", "materialize", "--select", 'key:"first"+', "-f", "chain.py"]
    output = run_tool(command, tmp_path, DAGSTER_HOME=str(tmp_path / "home"))
    assert "RUN_SUCCESS" in output
    assert output.count("ASSET_MATERIALIZATION") == 2


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a Git and DVC repository with one stage that copies its parameters."""
    root = tmp_path / "repository"
    root.mkdir()
    run_tool(["git", "init", "--quiet"], root)
    run_tool(["dvc", "init", "--quiet"], root)
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text("model: {name: shallow, depth: 1}\n")
    run_tool(["git", "add", "--all"], root)
    run_tool(["git", "commit", "--quiet", "--message", "start"], root)
    return root


@pytest.mark.slow
def test_experiment_with_a_set_parameter_runs(repository: Path) -> None:
    run_tool(["dvc", "exp", "run", "-S", "model.depth=7", "--name", "seven"], repository)
    assert yaml.safe_load((repository / "out.yaml").read_text())["model"]["depth"] == 7
    assert "seven" in run_tool(["dvc", "exp", "list", "--name-only"], repository)


@pytest.mark.slow
def test_experiment_composes_parameters_with_hydra(repository: Path) -> None:
    for name, content in COMPOSED.items():
        path = repository / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    run_tool(["dvc", "config", "hydra.enabled", "True"], repository)
    run_tool(["git", "add", "--all"], repository)
    run_tool(["git", "commit", "--quiet", "--message", "hydra"], repository)
    run_tool(["dvc", "exp", "run", "-S", "model=deep"], repository)
    assert yaml.safe_load((repository / "out.yaml").read_text()) == {
        "model": {"name": "deep", "depth": 9}
    }


def test_installed_packages_agree_with_each_other() -> None:
    command = [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    assert "No broken requirements found" in answer.stdout


def run_tool(command: Sequence[str], directory: Path, **environment: str) -> str:
    """Run a command of this environment, or of the system, and return all that it printed."""
    tools = Path(sys.executable).parent
    variables = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", **environment}
    answer = subprocess.run(
        command,
        cwd=directory,
        env=variables,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert answer.returncode == 0, f"{' '.join(command)}\n{answer.stdout}"
    return answer.stdout
