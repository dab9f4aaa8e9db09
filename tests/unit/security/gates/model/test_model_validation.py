"""The gate ``model-validation``: tests, bounds and margins, and numbers that are none."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from security.finding import Severity
from security.gates.interface import Gate, GateError, Kind, Place, Report, Task
from security.gates.model.model_validation import ModelValidationGate
from security.gates.settings import Bound, Margin
from tests.unit.security.gates.gate_tasks import build_task

REAL = Path(sys.executable)
METRICS = "reports/metrics.json"
TESTS = ModelValidationGate(arguments=("--disable-plugin-autoload",))
BOUNDS = ModelValidationGate(
    paths=(), metrics=METRICS, thresholds={"test.auc": Bound(least=0.6), "loss": Bound(most=1)}
)
AGAINST = ModelValidationGate(
    paths=(),
    metrics=METRICS,
    margins={"auc": Margin(0.05), "loss": Margin(0.5, "lower")},
    deployed={"auc": 0.8, "loss": 1.0},
)
GOOD = {"test": {"auc": 0.7}, "loss": 0.5}


def task_of(directory: Path, metrics: object = None, **files: str) -> Task:
    text = metrics if isinstance(metrics, str) else json.dumps(metrics)
    tree = {**files, **({METRICS: text} if metrics is not None else {})}
    task = build_task(directory, TESTS, tree, python=REAL)
    return replace(task, subject="models/model.onnx", out=directory / "tree/models/model.onnx")


def judge(directory: Path, gate: Gate, metrics: object = None, **files: str) -> Report:
    return gate.judge(task_of(directory, metrics, **files))


def test_it_judges_models_in_the_project() -> None:
    gate: Gate = TESTS
    assert (gate.name, gate.kind, gate.place) == (
        "model-validation",
        Kind.MODEL,
        Place.CHECKOUT,
    )
    assert gate.reads("tests/model_tests/test_a.py") and not gate.reads("README.md")


def test_good_model_has_no_findings(tmp_path: Path) -> None:
    report = judge(tmp_path, BOUNDS, GOOD)
    assert report.findings == () and report.unjudged is None and report.judged == 2
    assert report.facts == {"metric.loss": 0.5, "metric.test.auc": 0.7}


def test_bound_that_is_not_kept_is_a_finding(tmp_path: Path) -> None:
    report = judge(tmp_path, BOUNDS, {"test": {"auc": 0.59}, "loss": 1.01})
    assert [(one.id, one.path, one.severity) for one in report.findings] == [
        ("metric:loss", METRICS, Severity.HIGH),
        ("metric:test.auc", METRICS, Severity.HIGH),
    ]
    assert report.findings[1].message == "test.auc is 0.59, less than 0.6"


def test_bounds_include_their_ends(tmp_path: Path) -> None:
    assert judge(tmp_path, BOUNDS, {"test": {"auc": 0.6}, "loss": 1}).findings == ()


@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "-Infinity", "true", '"0.9"', "null", "[0.9]", "{}", "1e999", "9" * 5000]
    + [f"1{'0' * 400}"],
)
def test_what_is_no_finite_number_is_not_judged(tmp_path: Path, value: str) -> None:
    text = f'{{"test": {{"auc": 0.9}}, "loss": {value}}}'
    gate: Gate = BOUNDS
    try:
        report = gate.judge(task_of(tmp_path, text))
    except GateError as error:
        assert "unreadable JSON" in error.message and error.hint
    else:
        assert report.unjudged == f"no finite number in {METRICS}: loss" and report.judged == 1


def test_missing_metric_is_not_judged_and_the_others_are(tmp_path: Path) -> None:
    report = judge(tmp_path, BOUNDS, {"loss": 2})
    assert [one.id for one in report.findings] == ["metric:loss"]
    assert report.unjudged == f"no finite number in {METRICS}: test.auc"
    with pytest.raises(GateError, match="no finite number"):
        judge(tmp_path, BOUNDS, {})


def test_name_that_holds_a_dot_is_found(tmp_path: Path) -> None:
    assert judge(tmp_path, BOUNDS, {"test.auc": 0.7, "loss": 0}).unjudged is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "unreadable JSON"),
        ('{"loss": 0', "unreadable JSON"),
        ('{"loss": 9, "loss": 0, "test": {"auc": 1}}', "duplicate key: loss"),
        ("[" * 100000, "unreadable JSON"),
        ("[]", "no finite number"),
        (None, "no such file"),
    ],
)
def test_metrics_that_cannot_be_read_are_an_error(
    tmp_path: Path, text: str | None, why: str
) -> None:
    with pytest.raises(GateError, match=why):
        judge(tmp_path, BOUNDS, text)


def test_metrics_in_the_cache_of_dvc_are_read_through_their_link(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    (task.directory / "reports").mkdir()
    (tmp_path / "cached").write_text(json.dumps(GOOD))
    (task.directory / METRICS).symlink_to(tmp_path / "cached")
    assert BOUNDS.judge(task).findings == ()


@pytest.mark.parametrize(
    ("metrics", "found"),
    [
        ({"auc": 0.75, "loss": 1.5}, []),
        ({"auc": 0.95, "loss": 0.1}, []),
        ({"auc": 0.749, "loss": 1.5}, ["regression:auc"]),
        ({"auc": 0.8, "loss": 1.501}, ["regression:loss"]),
    ],
)
def test_model_may_be_worse_than_the_deployed_one_by_a_margin(
    tmp_path: Path, metrics: dict[str, float], found: list[str]
) -> None:
    report = judge(tmp_path, AGAINST, metrics)
    assert [one.id for one in report.findings] == found and report.unjudged is None
    assert report.facts["difference.auc"] == pytest.approx(metrics["auc"] - 0.8)


def test_where_nothing_is_deployed_nothing_is_compared(tmp_path: Path) -> None:
    gate = replace(AGAINST, deployed=None, thresholds={"auc": Bound(least=0.5)})
    report = judge(tmp_path, gate, {"auc": 0.6, "loss": 9})
    assert report.findings == () and report.facts["deployed"] == "none" and report.judged == 1
    assert report.unjudged is None


@pytest.mark.parametrize("deployed", [{"auc": 0.8}, {"auc": 0.8, "loss": float("nan")}])
def test_deployed_model_without_the_metric_is_no_comparison(
    tmp_path: Path, deployed: dict[str, float]
) -> None:
    report = judge(tmp_path, replace(AGAINST, deployed=deployed), {"auc": 0.8, "loss": 1})
    assert report.unjudged == "metric missing in the deployed model: loss"


@pytest.mark.parametrize(
    ("gate", "why"),
    [
        (ModelValidationGate(paths=()), "no tests and no thresholds"),
        (replace(BOUNDS, metrics=None), "without a metrics file"),
        (replace(BOUNDS, thresholds={"a": Bound()}), "invalid threshold: a"),
        (replace(BOUNDS, thresholds={"a": Bound(2, 1)}), "invalid threshold: a"),
        (replace(BOUNDS, thresholds={"a": Bound(float("nan"))}), "invalid threshold: a"),
        (replace(AGAINST, margins={"a": Margin(float("inf"))}), "invalid margin: a"),
        (replace(AGAINST, margins={"a": Margin(-1)}), "invalid margin: a"),
    ],
)
def test_settings_that_judge_nothing_are_an_error(tmp_path: Path, gate: Gate, why: str) -> None:
    for ask in (gate.tool, gate.judge):
        with pytest.raises(GateError, match=why):
            ask(task_of(tmp_path, GOOD))


@pytest.mark.process
def test_tests_of_the_model_are_run(tmp_path: Path) -> None:
    tests = "def test_good(): pass\ndef test_bad(): assert 0\n"
    report = judge(tmp_path, TESTS, **{"tests/model_tests/test_a.py": tests})
    assert [one.id for one in report.findings] == ["tests/model_tests/test_a.py::test_bad"]
    assert report.judged == 2 and report.facts["passed"] == 1


@pytest.mark.process
def test_tests_that_cannot_run_do_not_hide_a_bad_metric(tmp_path: Path) -> None:
    gate = replace(BOUNDS, paths=("tests/model_tests",))
    report = judge(tmp_path, gate, {"test": {"auc": 0.1}, "loss": 0})
    assert [one.id for one in report.findings] == ["metric:test.auc"]
    assert report.unjudged == "no tests: tests/model_tests"
    with pytest.raises(GateError, match="no tests: .*; metrics: no such file"):
        judge(tmp_path / "other", gate)


@pytest.mark.process
def test_tool_changes_with_whatever_is_compared(tmp_path: Path) -> None:
    task = task_of(tmp_path, GOOD)
    tools = [BOUNDS.tool(task), replace(BOUNDS, thresholds={"loss": Bound(most=2)}).tool(task)]
    tools += [AGAINST.tool(task), replace(AGAINST, deployed={"auc": 0.9}).tool(task)]
    tools += [replace(AGAINST, margins={"auc": Margin(0.1)}).tool(task), TESTS.tool(task)]
    (task.directory / METRICS).write_text("{}")
    tools += [BOUNDS.tool(task)]
    assert len({tool.sha256 for tool in tools}) == len(tools)
    assert tools[5].name == "pytest" and tools[5].version == pytest.__version__
