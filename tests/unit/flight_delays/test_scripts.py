"""Own the tests of the scripts, each run as a process of its own, as DVC runs them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from flight_frames import ROOT, prepared_table
from small_candidates import SECTIONS, train

from flight_delays.prepared_data import write_split

pytestmark = pytest.mark.process

# Beside other tests, several threads would wait for each other longer than they compute.
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
SCRIPTS = ("prepare_data", "train_models", "evaluate_models", "performance_tests")


def run(script: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **ALONE, **environment},
    )


def script(name: str) -> Path:
    return ROOT / "scripts" / f"{name}.py"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with prepared flights, parameters and a model."""
    directory = tmp_path_factory.mktemp("project")
    for seed, name in enumerate(("train", "validation", "test")):
        write_split(prepared_table(seed=seed), directory / "data" / f"{name}.parquet")
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text())
    parameters["candidates"] = SECTIONS
    parameters["performance"]["load"] = {
        "single_requests": 50,
        "batch_rows": 100,
        "batch_requests": 5,
    }
    (directory / "params.yaml").write_text(yaml.safe_dump(parameters))
    (directory / "model.onnx").write_bytes(train("gradient_boosting").content)
    return directory


def measure(project: Path, report: Path, **changes: Path) -> subprocess.CompletedProcess[str]:
    paths = {
        "model": project / "model.onnx",
        "data": project / "data" / "test.parquet",
        "params": project / "params.yaml",
        **changes,
    }
    options = [part for name, path in paths.items() for part in (f"--{name}", path)]
    return run(script("performance_tests"), *options, "--report", report)


def write_thresholds(project: Path, path: Path, name: str, value: float) -> Path:
    parameters = yaml.safe_load((project / "params.yaml").read_text())
    parameters["performance"]["most"][name] = value
    path.write_text(yaml.safe_dump(parameters))
    return path


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_says_what_the_script_does(name: str) -> None:
    answer = run(script(name), "--help")

    assert answer.returncode == 0
    assert "usage:" in answer.stdout


@pytest.mark.slow
def test_candidates_are_trained_and_the_better_one_exported(project: Path, tmp_path: Path) -> None:
    for name in SECTIONS:
        answer = run(
            script("train_models"),
            name,
            *("--params", project / "params.yaml"),
            *("--data", project / "data" / "train.parquet"),
            *("--models", tmp_path / "models"),
            *("--reports", tmp_path / "reports"),
        )
        assert answer.returncode == 0, answer.stderr
    answer = run(
        script("evaluate_models"),
        *sorted(SECTIONS),
        *("--params", project / "params.yaml"),
        *("--data", project / "data"),
        *("--models", tmp_path / "models"),
        *("--model", tmp_path / "best.onnx"),
        *("--reports", tmp_path / "reports"),
    )

    assert answer.returncode == 0, answer.stderr
    metrics = json.loads((tmp_path / "reports" / "metrics.json").read_text())
    best = tmp_path / "models" / f"{metrics['selected']}.onnx"
    assert (tmp_path / "best.onnx").read_bytes() == best.read_bytes()
    assert (tmp_path / "reports" / "plots" / "roc.csv").is_file()


def test_candidate_that_was_not_trained_stops_the_evaluation(project: Path, tmp_path: Path) -> None:
    answer = run(
        script("evaluate_models"),
        "gradient_boosting",
        *("--data", project / "data"),
        *("--models", tmp_path),
        *("--model", tmp_path / "best.onnx"),
    )

    assert answer.returncode == 1
    assert answer.stderr.startswith("error: cannot read the model")
    assert "\nhint: " in answer.stderr
    assert not (tmp_path / "best.onnx").exists()


def test_missing_raw_files_stop_the_preparation(tmp_path: Path) -> None:
    answer = run(script("prepare_data"), "--raw", tmp_path, "--output", tmp_path / "data")

    assert answer.returncode == 1
    assert answer.stderr.startswith("error: cannot read the raw file")
    assert not (tmp_path / "data").exists()


def test_model_within_the_thresholds_passes(project: Path, tmp_path: Path) -> None:
    answer = measure(project, tmp_path / "report.json")

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == ""
    assert answer.stderr.endswith("passed\n")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verdict"] == "passed"
    assert report["failures"] == []


def test_model_beyond_a_threshold_fails(project: Path, tmp_path: Path) -> None:
    tight = write_thresholds(project, tmp_path / "params.yaml", "single_p50_ms", 1e-6)

    answer = measure(project, tmp_path / "report.json", params=tight)

    assert answer.returncode == 1
    assert answer.stderr.endswith("failed\n")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verdict"] == "failed"
    assert [line.split(":")[0] for line in report["failures"]] == ["single_p50_ms"]


@pytest.mark.parametrize("missing", ["model", "data", "params"])
def test_what_cannot_be_measured_gives_3_and_leaves_no_report(
    project: Path, tmp_path: Path, missing: str
) -> None:
    report = tmp_path / "report.json"
    report.write_text('{"verdict": "passed"}')

    answer = measure(project, report, **{missing: tmp_path / "nothing"})

    assert answer.returncode == 3
    assert answer.stderr.startswith("error: could not measure: ")
    assert not report.exists()


@pytest.mark.parametrize("bad", ["model", "data"])
def test_file_that_is_something_else_gives_3(project: Path, tmp_path: Path, bad: str) -> None:
    (tmp_path / "bad").write_bytes(b"something else")

    answer = measure(project, tmp_path / "report.json", **{bad: tmp_path / "bad"})

    assert answer.returncode == 3
    assert not (tmp_path / "report.json").exists()


def test_package_that_is_missing_gives_3(project: Path, tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('not installed')")

    answer = run(
        script("performance_tests"),
        *("--model", project / "model.onnx"),
        PYTHONPATH=str(tmp_path),
    )

    assert answer.returncode == 3
    assert "not installed" in answer.stderr


def test_report_that_cannot_be_written_gives_3(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert measure(project, tmp_path / "file" / "report.json").returncode == 3


def test_checkout_runs_its_own_source_and_no_installed_copy(tmp_path: Path) -> None:
    checkout, installed = tmp_path / "checkout", tmp_path / "installed"
    for directory in ("scripts", "src"):
        shutil.copytree(
            ROOT / directory,
            checkout / directory,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    (installed / "flight_delays").mkdir(parents=True)
    (installed / "flight_delays" / "__init__.py").write_text("raise SystemExit('a foreign copy')")

    answer = run(checkout / "scripts" / "prepare_data.py", PYTHONPATH=str(installed))

    # It got as far as to miss its own parameters, which the foreign copy would not have.
    missing = f"error: cannot read the parameters: {checkout / 'params.yaml'}"
    assert answer.stderr.startswith(missing)
    assert "foreign" not in answer.stderr


def test_broken_checkout_does_not_fall_back_to_another_copy(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "src" / "flight_delays").mkdir(parents=True)
    (tmp_path / "src" / "flight_delays" / "__init__.py").write_text("raise SystemExit(42)")

    answer = run(tmp_path / "scripts" / "prepare_data.py", PYTHONPATH=str(ROOT / "src"))

    assert answer.returncode == 42
