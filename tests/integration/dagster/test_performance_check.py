"""The performance check of a model: its numbers, and that nothing but a clear pass passes."""

import json
import os
from pathlib import Path

import dagster as dg
import pytest

from ml_assets.checks import Verdict, build_checks, measure_performance, read_report
from ml_assets.graph import describe_assets
from ml_assets.project import Project
from resources.errors import ConfigurationError
from tests.integration.dagster.asset_flow import Flow

REPORT = {"verdict": "passed", "metrics": {"p95 (ms)": 1.5, "size": 10}, "failures": []}
SETTINGS = '[performance]\ncommand = "{command}"\nmodel = "model"\ntimeout = {timeout}\n'


def give_command(flow: Flow, command: str, timeout: float = 60) -> Project:
    text = SETTINGS.format(command=command.replace('"', '\\"'), timeout=timeout)
    flow.repository.write("ml-assets.toml", text)
    return Project(flow.root)


def test_numbers_of_the_report_are_the_metadata_of_the_check(flow: Flow) -> None:
    flow.repository.write("report.json", json.dumps(REPORT))
    project = give_command(flow, "test -d {model} && cp report.json {report}")
    definitions = flow.definitions()

    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=flow.instance
    )

    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.passed
    assert evaluation.check_name == "performance"
    assert evaluation.asset_key == dg.AssetKey(["main", "model"])
    assert {name: value.value for name, value in evaluation.metadata.items()} == {
        "verdict": "passed",
        "p95 (ms)": 1.5,
        "size": 10.0,
    }
    assert not list((project.state).glob("*/performance.json"))


@pytest.mark.parametrize(
    ("document", "exit_code", "verdict"),
    [
        (REPORT, 0, Verdict.PASSED),
        ({**REPORT, "verdict": "failed", "failures": ["slow"]}, 1, Verdict.FAILED),
        ({**REPORT, "verdict": "failed"}, 0, Verdict.ERROR),
        (REPORT, 1, Verdict.ERROR),
        (REPORT, 2, Verdict.ERROR),
        (REPORT, -9, Verdict.ERROR),
        ({**REPORT, "failures": ["slow"]}, 0, Verdict.ERROR),
        ({**REPORT, "metrics": {}}, 0, Verdict.ERROR),
        ({**REPORT, "metrics": {"a": "fast"}}, 0, Verdict.ERROR),
        ({**REPORT, "metrics": []}, 0, Verdict.ERROR),
        ({**REPORT, "verdict": "fine"}, 0, Verdict.ERROR),
        ({**REPORT, "verdict": "error"}, 0, Verdict.ERROR),
        ({"verdict": "passed"}, 0, Verdict.ERROR),
        ({**REPORT, "failures": None}, 0, Verdict.ERROR),
        ([], 0, Verdict.ERROR),
        (None, 0, Verdict.ERROR),
    ],
)
def test_only_a_report_and_exit_code_that_agree_count(
    tmp_path: Path, document: object, exit_code: int, verdict: Verdict
) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps(document))

    measured = read_report(report, exit_code, "tail")

    assert measured.verdict is verdict
    assert measured.reason


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff"])
def test_missing_or_broken_report_is_no_pass(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "report.json").write_bytes(content)

    measured = read_report(tmp_path / "report.json", 0, "the last words")

    assert measured.verdict is Verdict.ERROR
    assert "could not judge" in measured.reason and "the last words" in measured.reason


def test_test_that_hangs_is_stopped_and_is_no_pass(flow: Flow) -> None:
    project = give_command(flow, "sleep 60", timeout=0.3)

    measured = measure_performance(project, "model")

    assert measured.verdict is Verdict.ERROR
    assert "still running" in measured.reason


def test_test_sees_the_environment_of_a_server(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "hunter2")
    project = give_command(flow, "env > seen; false {report}")

    measure_performance(project, "model")

    seen = (flow.root / "seen").read_text()
    assert f"PATH={os.environ['PATH']}\n" in seen
    assert "hunter2" not in seen


def test_model_with_odd_characters_reaches_the_test_as_one_word(flow: Flow) -> None:
    project = give_command(flow, "printf '%s' {model} > seen; false {report}")

    measure_performance(project, "a b; touch hacked")

    assert (flow.root / "seen").read_text() == "a b; touch hacked"
    assert not (flow.root / "hacked").exists()


def test_command_may_hold_braces_of_its_own(flow: Flow) -> None:
    project = give_command(flow, "cp {model} ${HOME}/x; false {report}")

    assert measure_performance(project, "model").verdict is Verdict.ERROR


def test_repository_without_a_performance_test_has_no_check(flow: Flow) -> None:
    project = Project(flow.root)

    assert build_checks(project, describe_assets(project, project.open_checkout())) == []


def test_model_that_no_stage_writes_is_refused_and_no_check_forgotten(flow: Flow) -> None:
    flow.repository.write("ml-assets.toml", '[performance]\nmodel = "modle"\n')
    project = Project(flow.root)

    with pytest.raises(ConfigurationError, match="what no stage writes: modle"):
        describe_assets(project, project.open_checkout())


def test_model_that_is_named_has_a_check_even_without_a_script(flow: Flow) -> None:
    flow.repository.write("ml-assets.toml", '[performance]\nmodel = "model"\n')
    project = Project(flow.root)

    assert len(build_checks(project, describe_assets(project, project.open_checkout()))) == 1
    assert measure_performance(project, "model").verdict is Verdict.ERROR
