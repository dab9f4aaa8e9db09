"""Own the tests of dvc.yaml: it names what its stages really read, and nothing else."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml
from flight_frames import ROOT

PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())
PARAMETERS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
SOURCE = ROOT / "src" / "flight_delays"
STAGES = ("prepare_data", "train_models", "evaluate_models")


def imported(path: Path) -> set[str]:
    """Return the names of all modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return names


def code_of(script: Path) -> set[str]:
    """Return the script and every file of the example that running it reads."""
    found = {script, SOURCE / "__init__.py"}
    waiting = [script]
    while waiting:
        for name in imported(waiting.pop()):
            package, _, module = name.partition(".")
            path = SOURCE / f"{module}.py"
            if package == "flight_delays" and module and path not in found:
                found.add(path)
                waiting.append(path)
    return {path.relative_to(ROOT).as_posix() for path in found}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_names_exactly_the_code_that_it_runs(stage: str) -> None:
    deps = PIPELINE["stages"][stage]["deps"]
    code = {dep for dep in deps if dep.endswith(".py")}

    assert code == code_of(ROOT / "scripts" / f"{stage}.py")
    assert len(deps) == len(set(deps))


def test_training_sees_the_train_split_only() -> None:
    deps = PIPELINE["stages"]["train_models"]["deps"]

    assert [dep for dep in deps if dep.startswith("data/")] == ["data/train.parquet"]


def test_evaluation_is_given_every_candidate() -> None:
    stages = PIPELINE["stages"]
    names = stages["train_models"]["matrix"]["candidate"]
    evaluation = stages["evaluate_models"]

    assert len(names) >= 2
    assert sorted(names) == sorted(PARAMETERS["candidates"])
    assert evaluation["cmd"].split()[2:] == names
    for name in names:
        assert f"models/candidates/{name}.onnx" in evaluation["deps"]


@pytest.mark.parametrize("stage", STAGES)
def test_stage_says_what_it_is_for(stage: str) -> None:
    assert PIPELINE["stages"][stage]["desc"].strip()


def test_stages_together_read_every_parameter_but_those_of_the_performance_test() -> None:
    named = {name.split(".")[0] for stage in STAGES for name in PIPELINE["stages"][stage]["params"]}

    assert named == set(PARAMETERS) - {"performance"}


def test_artifacts_and_plots_are_outs() -> None:
    outs = {
        path for stage in STAGES for path in PIPELINE["stages"][stage]["outs"] if "${" not in path
    }
    artifacts = PIPELINE["artifacts"]
    plots = {path for plot in PIPELINE["plots"] for entry in plot.values() for path in entry["y"]}

    assert {artifact["path"] for artifact in artifacts.values()} <= outs
    assert {artifact["type"] for artifact in artifacts.values()} == {"model", "dataset"}
    assert plots == {path for path in outs if path.startswith("reports/plots/")}


def test_report_of_the_performance_test_is_no_out() -> None:
    assert "performance" not in (ROOT / "dvc.yaml").read_text()


def test_example_imports_nothing_of_the_product() -> None:
    files = [*SOURCE.rglob("*.py"), *(ROOT / "scripts").glob("*.py")]

    packages = {name.split(".")[0] for path in files for name in imported(path)}

    assert len(files) > 20
    assert not packages & {"ml_assets", "resources", "security", "sensors", "dagster", "dvc"}
