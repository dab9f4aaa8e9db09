"""Annotations: of gates that hold something up, at places that the platform finds again."""

import datetime
from pathlib import Path

import pytest

from ml_assets.reporting.annotations import find_annotations, find_prefix
from ml_assets.reporting.job_log import Annotation
from security.finding import Finding, Severity
from security.gates.interface import Report
from security.policy.decision import CaseDecision, evaluate
from security.policy.rule import Level, Rule

HIGH = Finding("B602", "a shell", Severity.HIGH, None, "src/a.py", 3, 5)
LOW = Finding("B101", "an assert", Severity.LOW, None, "src/a.py", 9)


def judge(rule: Rule, report: Report | None, unavailable: str | None = None) -> CaseDecision:
    decision = evaluate(
        rule, "code-security", "source", report, unavailable, (), datetime.date(2026, 1, 1)
    )
    return CaseDecision(decision, report, None, 1.0, False)


def test_findings_that_fail_are_errors_and_those_beside_them_warnings() -> None:
    judged = judge(Rule(severity=Severity.HIGH), Report((LOW, HIGH), 1))

    assert find_annotations([judged], "models/") == [
        Annotation("error", "code-security: B602", "a shell", "models/src/a.py", 3, 5),
        Annotation("warning", "code-security: B101", "an assert", "models/src/a.py", 9),
    ]


def test_gate_that_could_not_judge_is_an_error_without_a_place() -> None:
    (one,) = find_annotations([judge(Rule(), None, "tool missing: bandit")], "")

    assert (one.level, one.title, one.path) == ("error", "code-security of source", "")
    assert "tool missing: bandit" in one.message


def test_gate_that_holds_nothing_up_is_not_shown() -> None:
    advisory = judge(Rule(level=Level.ADVISORY), Report((HIGH,), 1))
    clean = judge(Rule(), Report((), 1))

    assert find_annotations([advisory, clean], "") == []


@pytest.mark.parametrize(
    ("root", "prefix"), [("", ""), ("models/flights", "models/flights/"), ("../elsewhere", "")]
)
def test_places_are_relative_to_the_workspace(tmp_path: Path, root: str, prefix: str) -> None:
    workspace = tmp_path / "work"
    project = workspace / root
    project.mkdir(parents=True)
    github = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(workspace)}

    assert find_prefix(project, github) == prefix
    assert find_prefix(project, {}) == ""
