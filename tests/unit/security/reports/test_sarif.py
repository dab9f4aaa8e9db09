"""SARIF: valid by its schema, accepted by those who read it, and nothing left out in silence."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest

from security.finding import Finding, Severity
from security.gates.interface import Report
from security.policy.decision import CaseDecision
from security.reports import sarif
from security.reports.sarif import write_sarif
from tests.unit.security.reports.decisions import (
    HOSTILE,
    RULE,
    WAIVER,
    all_kinds,
    decide,
    decide_findings,
)

SCHEMA = Path(__file__).resolve().parents[3] / "assets" / "sarif-schema-2.1.0.json"


@cache
def validator() -> jsonschema.Draft4Validator:
    """Return the validator of the official schema."""
    schema = json.loads(SCHEMA.read_text())
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())


def log_of(decisions: Sequence[CaseDecision], **how: str) -> Any:
    """Write, validate and read a log."""
    log = json.loads(write_sarif(decisions, version="0.1.0", **how))
    validator().validate(log)
    return log


def run_of(*findings: Finding, subject: str = "source", **how: str) -> Any:
    """Return the one run of a gate with some findings."""
    (run,) = log_of([decide("lint", Report(findings, 1), subject=subject)], **how)["runs"]
    return run


def location_of(run: Any) -> tuple[str, Any]:
    """Return the path and the region of the one result of a run."""
    (result,) = run["results"]
    (location,) = result["locations"]
    physical = location["physicalLocation"]
    assert physical["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
    return physical["artifactLocation"]["uri"], physical["region"]


def test_log_is_valid_by_the_official_schema_whatever_was_judged() -> None:
    log = log_of(all_kinds(), root_uri="file:///project/")
    assert log["version"] == "2.1.0" and len(log["runs"]) == 8
    assert log["runs"][0]["originalUriBaseIds"] == {"%SRCROOT%": {"uri": "file:///project/"}}
    assert log_of([])["runs"] == []


def test_schema_refuses_a_log_that_is_not_sarif() -> None:
    log = log_of(all_kinds())
    log["runs"][0]["results"][0]["level"] = "critical"
    with pytest.raises(jsonschema.ValidationError, match="critical"):
        validator().validate(log)


def test_each_gate_has_a_run_and_a_category_of_its_own() -> None:
    runs = log_of(all_kinds())["runs"]
    categories = [run["automationDetails"]["id"] for run in runs]
    assert categories[0] == "ml-assets/code-security/" and len(set(categories)) == len(runs)
    assert len({run["tool"]["driver"]["name"] for run in runs}) == len(runs)
    assert runs[0]["tool"]["extensions"] == [{"name": "code-security", "version": "1.2.3"}]


def test_levels_are_the_policy_s_and_the_worst_comes_first() -> None:
    results = log_of(all_kinds())["runs"][0]["results"]
    assert [(one["ruleId"], one["level"]) for one in results] == [
        ("B605", "error"),
        ("B101", "note"),
        ("B602", "warning"),
        ("B603", "warning"),
        ("B604", "warning"),
    ]


def test_waived_and_silenced_findings_are_suppressed_and_say_why() -> None:
    results = log_of(all_kinds())["runs"][0]["results"]
    said = {one["ruleId"]: one["suppressions"] for one in results}
    assert said["B605"] == said["B101"] == []
    (waived,) = said["B602"]
    assert (waived["kind"], waived["status"]) == ("external", "accepted")
    assert waived["justification"] == f"{WAIVER.reason} (<me>, until 2027-01-01)"
    assert [one["kind"] for one in said["B603"] + said["B604"]] == ["external", "inSource"]


def test_run_without_suppressions_names_none() -> None:
    run = run_of(Finding("E1", "bad"))
    assert "suppressions" not in run["results"][0]


def test_what_was_not_judged_is_no_successful_execution() -> None:
    runs = {run["automationDetails"]["id"]: run for run in log_of(all_kinds())["runs"]}
    successful = {
        gate.split("/")[1]: run["invocations"][0]["executionSuccessful"]
        for gate, run in runs.items()
    }
    assert successful == {
        **{"code-security": True, "dependencies": False, "format": True, "lint": False},
        **{"model-file": True, "secrets": False, "types": False, "workflows": True},
    }
    (note,) = runs["ml-assets/dependencies/"]["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"] == "source: incomplete report: one file was skipped"
    (note,) = runs["ml-assets/types/"]["invocations"][0]["toolExecutionNotifications"]
    assert (note["level"], note["message"]["text"]) == ("error", "source: no result")


def test_finding_is_shown_on_its_line() -> None:
    uri, region = location_of(run_of(Finding("E1", "bad", path="src/a.py", line=3, column=5)))
    assert uri == "src/a.py" and region == {"startLine": 3, "startColumn": 5}


def test_finding_without_line_is_on_the_first() -> None:
    uri, region = location_of(run_of(Finding("E1", "bad", path="src/a.py", column=5)))
    assert uri == "src/a.py" and region == {"startLine": 1}


@pytest.mark.parametrize("number", [0, -7])
def test_lines_and_columns_count_from_one(number: int) -> None:
    finding = Finding("E1", "bad", path="a.py", line=number, column=number)
    assert location_of(run_of(finding))[1] == {"startLine": 1}


@pytest.mark.parametrize("path", ["a b/ü.py", "a:b.py", "a#b?c%41.py", "a\nb\x01.py", "\udcff.py"])
def test_path_is_encoded_and_comes_back(path: str) -> None:
    uri, _ = location_of(run_of(Finding("E1", "bad", path=path)))
    assert uri.isascii() and not set(uri) & set(" :#?\n\x01")
    assert unquote(uri, errors="surrogateescape") == path


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../a", "a/../../b", "."])
@pytest.mark.parametrize(
    ("subject", "file"),
    [
        ("source", "dvc.yaml"),
        ("data/a b", "data/a%20b"),
        ("/tmp/a", "dvc.yaml"),
        ("..", "dvc.yaml"),
    ],
)
def test_finding_about_no_file_inside_gets_a_location_all_the_same(
    path: str, subject: str, file: str
) -> None:
    uri, region = location_of(run_of(Finding("E1", "bad", path=path, line=7), subject=subject))
    assert uri == file and region == {"startLine": 1}


def test_project_below_the_root_of_its_repository_has_paths_from_there() -> None:
    assert location_of(run_of(Finding("E1", "b", path="a.py"), prefix="ml/x"))[0] == "ml/x/a.py"
    assert location_of(run_of(Finding("E1", "b"), prefix="ml/x"))[0] == "ml/x/dvc.yaml"


def test_package_is_a_logical_location() -> None:
    log = log_of([decide("dependencies", Report((Finding("P-1", "b", package="a==1"),), 1))])
    (location,) = log["runs"][0]["results"][0]["locations"]
    assert location["logicalLocations"] == [{"fullyQualifiedName": "a==1", "kind": "package"}]


def texts_in(value: Any) -> Iterator[str]:
    """Yield all texts of messages, in which SARIF's readers look for links."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for key, one in value.items():
            yield from [one] if key == "text" else texts_in(one)


def test_judged_text_makes_no_links_and_no_control_characters() -> None:
    run = log_of(all_kinds())["runs"][-1]
    assert json.dumps(run, ensure_ascii=False).isprintable()
    texts = list(texts_in(run))
    assert len(texts) == 4 and not any("](" in text for text in texts)
    assert run["results"][0]["message"]["text"].startswith("<script>alert(1)</script> & ]]> @team")


def test_rules_are_named_once_and_found_by_their_index() -> None:
    (run,) = log_of([decide_findings(120)])["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len(rules) == 50
    assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"])


def test_long_ids_that_begin_alike_stay_different_rules() -> None:
    one, other = "t" * 300 + "1", "t" * 300 + "2"
    run = run_of(Finding(one, "b"), Finding(other, "b"))
    ids = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert len(ids) == 2 and all(len(one) <= 255 for one in ids)


def test_security_severity_is_the_worst_of_a_rule_and_of_security_gates_only() -> None:
    findings = [Finding("B1", "b", one) for one in (Severity.LOW, Severity.CRITICAL, None)]
    (run,) = log_of([decide("secrets", Report(tuple(findings), 1))])["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["properties"]["security-severity"] == "9.5"
    assert "security" in rule["properties"]["tags"]
    (rule,) = run_of(*findings)["tool"]["driver"]["rules"]
    assert "security-severity" not in rule["properties"]


def fingerprint_of(finding: Finding) -> Any:
    """Return the fingerprints of one finding."""
    return run_of(finding)["results"][0]["partialFingerprints"]


def test_fingerprint_stays_when_lines_move_and_differs_between_findings() -> None:
    finding = Finding("E1", "bad at 3", path="a.py", line=3)
    same = fingerprint_of(finding)
    assert fingerprint_of(replace(finding, line=9, message="bad at 9")) == same
    for other in ({"id": "E2"}, {"path": "b.py"}, {"message": "worse"}, {"package": "a"}):
        assert fingerprint_of(replace(finding, **other)) != same
    assert set(same) == {"mlAssets/v1"}
    assert "primaryLocationLineHash" in fingerprint_of(replace(finding, path=""))


def test_equal_findings_have_fingerprints_of_their_own() -> None:
    finding = Finding("E1", "bad", path="a.py", line=3)
    results = run_of(finding, finding, replace(finding, line=4))["results"]
    assert len({one["partialFingerprints"]["mlAssets/v1"] for one in results}) == 3


def test_more_results_than_are_shown_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MOST_SHOWN", 3)
    (run,) = log_of([decide_findings(4)])["runs"]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert "may show only 3 of 4 results" in note["message"]["text"]
    assert run["invocations"][0]["executionSuccessful"]


def test_more_results_than_are_accepted_are_left_out_and_announced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sarif, "MOST_RESULTS", 2)
    low = Finding("E1", "a", Severity.LOW)
    findings = (low, replace(low, severity=Severity.HIGH), low, replace(low, severity=None))
    run = run_of(*findings)
    assert [one["level"] for one in run["results"]] == ["error", "error"]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"] == "2 of 4 results are omitted: the least severe"


def test_worst_of_several_subjects_comes_first() -> None:
    rated = [
        decide("data", Report((Finding(one.value, "bad", one),), 1), subject=one.value)
        for one in Severity
    ]
    rated.append(decide("data", Report((Finding("none", "bad"),), 1), subject="unrated"))
    (run,) = log_of(rated)["runs"]
    ids = [one["ruleId"] for one in run["results"]]
    assert ids == ["critical", "high", "medium", "none", "low"]


def test_ten_thousand_findings_are_written_soon() -> None:
    many = decide_findings(10_000)
    started = time.monotonic()
    text = write_sarif([many], version="0.1.0")
    assert time.monotonic() - started < 5
    assert len(json.loads(text)["runs"][0]["results"]) == 10_000


def test_nobody_s_text_reaches_an_error_note_unescaped() -> None:
    decision = decide("lint", Report((), 1, HOSTILE), rule=RULE)
    (run,) = log_of([decision])["runs"]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].isprintable() and "](" not in note["message"]["text"]
