"""SARIF logs: what they say is read, and what they leave open is never taken for clean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from security.finding import Finding, Severity, Silencing
from security.gates.interface import GateError
from security.gates.tool.sarif_log import SarifLog, parse_sarif

ROOT = Path("/srv/project")
RULES = [
    {"id": "R1", "defaultConfiguration": {"level": "error"}},
    {"id": "R2", "properties": {"security-severity": "9.1"}},
    {"id": "R3", "messageStrings": {"default": {"text": "call of {0} with {1}"}}},
]


def _result(**fields: Any) -> dict[str, Any]:
    return {"ruleId": "R1", "message": {"text": "bad"}, **fields}


def _run(*results: dict[str, Any], **fields: Any) -> dict[str, Any]:
    tool = {"driver": {"name": "checker", "rules": RULES}}
    return {"tool": tool, "results": list(results), **fields}


def _read(*runs: dict[str, Any], **fields: Any) -> SarifLog:
    return parse_sarif(json.dumps({"version": "2.1.0", "runs": runs, **fields}).encode(), ROOT)


def _finding(**fields: Any) -> Finding:
    (finding,) = _read(_run(_result(**fields))).findings
    return finding


def _at(uri: str, **location: Any) -> list[dict[str, Any]]:
    region = {"startLine": 7, "startColumn": 3}
    artifact = {"uri": uri, **location}
    return [{"physicalLocation": {"artifactLocation": artifact, "region": region}}]


def test_clean_log_has_no_findings_and_leaves_nothing_open() -> None:
    log = _read(_run(invocations=[{"executionSuccessful": True}]))
    assert log == SarifLog((), 1, ("checker",), None)


def test_finding_is_read_with_its_place() -> None:
    expected = Finding("R1", "bad", Severity.HIGH, path="src/a.py", line=7, column=3)
    assert _finding(locations=_at("src/a.py")) == expected


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({}, Severity.HIGH),  # its rule's
        ({"level": "note"}, Severity.LOW),
        ({"level": "none"}, None),
        ({"ruleId": "R3"}, Severity.MEDIUM),  # the format's
        ({"ruleId": "R2", "level": "note"}, Severity.CRITICAL),
        ({"properties": {"security-severity": 6.9}}, Severity.MEDIUM),
        ({"ruleId": None, "ruleIndex": 1}, Severity.CRITICAL),
        ({"ruleId": "R2/part", "ruleIndex": 1}, Severity.CRITICAL),
        ({"ruleId": "R1", "ruleIndex": 1}, Severity.HIGH),  # the name wins
        ({"ruleId": "unknown", "ruleIndex": 99}, Severity.MEDIUM),
    ],
)
def test_severity_is_the_results_else_the_rules(
    fields: dict[str, Any], severity: Severity | None
) -> None:
    assert _finding(**fields).severity is severity


def test_rule_of_an_extension_is_found_there() -> None:
    run = _run(_result(ruleId=None, rule={"index": 0, "toolComponent": {"index": 0}}))
    run["tool"]["extensions"] = [{"name": "more", "rules": [{"id": "X1"}]}]
    assert _read(run).findings[0].id == "X1"


def test_message_of_a_rule_gets_its_arguments() -> None:
    message = {"id": "default", "arguments": ["eval", "input"]}
    assert _finding(ruleId="R3", message=message).message == "call of eval with input"


def test_message_cannot_break_the_line() -> None:
    assert "\n" not in _finding(message={"text": "a\nb\x1b[2K"}).message
    assert "\x1b" not in _finding(message={"text": "a\nb\x1b[2K"}).message


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("a%20b/c.py", "a b/c.py"),
        ("./a/../b.py", "b.py"),
        ("file:///srv/project/src/a.py", "src/a.py"),
        ("file://localhost/srv/project/src/a.py", "src/a.py"),
        ("/srv/project/a.py", "a.py"),
    ],
)
def test_location_is_made_relative_to_the_directory(uri: str, path: str) -> None:
    assert _finding(locations=_at(uri)).path == path


@pytest.mark.parametrize(
    "uri",
    [
        "../secret.py",
        "%2e%2e/secret.py",
        "a/%2E%2E/%2e%2e/secret.py",
        "file:///etc/passwd",
        "/srv/project-of-others/a.py",
        "file:///srv/project/../other/a.py",
        "https://example.org/a.py",
        "a%00.py",
        "http://[",
    ],
)
def test_location_outside_is_refused_and_the_finding_stays(uri: str) -> None:
    finding = _finding(locations=_at(uri))
    assert (finding.path, finding.line) == ("", None)
    assert finding.message == "bad (outside the project)"


def test_bases_of_a_location_are_put_before_it() -> None:
    bases = {
        "ROOT": {"uri": "file:///srv/project/"},
        "SRC": {"uri": "src/", "uriBaseId": "ROOT"},
        "LOOP": {"uri": "x/", "uriBaseId": "LOOP"},
    }
    results = [_result(locations=_at("a.py", uriBaseId=base)) for base in ("SRC", "LOOP", "NONE")]
    log = _read(_run(*results, originalUriBaseIds=bases))
    assert [finding.path for finding in log.findings] == ["src/a.py", "x/a.py", "a.py"]


def test_location_may_be_an_index_of_the_runs_artifacts() -> None:
    location = [{"physicalLocation": {"artifactLocation": {"index": 1}}}]
    artifacts = [{"location": {"uri": "a.py"}}, {"location": {"uri": "b.py"}}]
    assert _read(_run(_result(locations=location), artifacts=artifacts)).findings[0].path == "b.py"


@pytest.mark.parametrize(
    ("suppressions", "silenced"),
    [
        ([], None),
        ([{"kind": "inSource"}], Silencing.COMMENT),
        ([{"kind": "external", "status": "accepted"}], Silencing.BASELINE),
        ([{"kind": "external", "status": "underReview"}], None),
        ([{"kind": "inSource"}, {"kind": "external", "status": "rejected"}], None),
    ],
)
def test_suppressed_result_is_a_silenced_finding(
    suppressions: list[dict[str, str]], silenced: Silencing | None
) -> None:
    assert _finding(suppressions=suppressions).silenced is silenced


@pytest.mark.parametrize("kind", ["pass", "notApplicable", "informational"])
def test_result_that_is_no_complaint_is_no_finding(kind: str) -> None:
    assert _read(_run(_result(kind=kind))) == SarifLog((), 1, ("checker",), None)


def test_result_that_is_gone_since_a_baseline_is_no_finding() -> None:
    assert _read(_run(_result(baselineState="absent"))).findings == ()
    assert len(_read(_run(_result(baselineState="unchanged"))).findings) == 1


@pytest.mark.parametrize("kind", ["open", "review"])
def test_result_for_a_person_to_decide_is_not_judged(kind: str) -> None:
    log = _read(_run(_result(kind=kind)))
    assert log.unjudged == "results that need a manual review: checker"
    assert len(log.findings) == 1


_ERROR = {"level": "error", "message": {"text": "could not parse a.py"}}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"results": None}, "run without results: checker"),
        (
            {"externalPropertyFileReferences": {"results": [{"location": {"uri": "r"}}]}},
            "results in other files: checker",
        ),
        ({"invocations": [{"executionSuccessful": False}]}, "unsuccessful run: checker"),
        (
            {
                "invocations": [
                    {"executionSuccessful": True, "toolExecutionNotifications": [_ERROR]}
                ]
            },
            "error in checker: could not parse a.py",
        ),
        (
            {
                "invocations": [
                    {"executionSuccessful": True, "toolConfigurationNotifications": [_ERROR]}
                ]
            },
            "error in checker: could not parse a.py",
        ),
    ],
)
def test_run_that_did_not_judge_all_says_so(fields: dict[str, Any], reason: str) -> None:
    assert _read(_run(), {**_run(), **fields}).unjudged == reason


def test_results_of_all_runs_count() -> None:
    log = _read(_run(), _run(_result()), _run(_result(), _result()))
    assert (len(log.findings), log.runs) == (3, 3)


_DRIVER = '"tool": {"driver": {"name": "x"}}'


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "unreadable SARIF"),
        ("[]", "log: not an object"),
        ("{}", "version: not 2.1.0"),
        ('{"version": "2.0.0", "runs": []}', "version: not 2.1.0"),
        ('{"version": "2.1.0"}', "no runs"),
        ('{"version": "2.1.0", "runs": []}', "no runs"),
        ('{"version": "2.1.0", "runs": [{}]}', r"runs\[0\].tool.driver.name: missing"),
        ('{"version": "2.1.0", "runs": [], "runs": []}', "log: duplicate key: runs"),
        (f'{{"version": "2.1.0", "runs": [{{{_DRIVER}, "results": {{}}}}]}}', "not a list"),
        (f'{{"version": "2.1.0", "runs": [{{{_DRIVER}, "results": [1]}}]}}', "not an object"),
        (f'{{"version": "2.1.0", "runs": [{{{_DRIVER}, "results": []}}', "unreadable SARIF"),
        ('{"version": "2.1.0", "runs": NaN}', "not a finite number: NaN"),
        ("[" * 100_000, "unreadable SARIF"),
    ],
)
def test_broken_log_is_unreadable(text: str, match: str) -> None:
    with pytest.raises(GateError, match=match):
        parse_sarif(text.encode(), ROOT)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"kind": "fine"}, "kind: not one of"),
        ({"level": "bad"}, "level: not one of"),
        ({"level": 3}, "level: not one of"),
        ({"message": "text"}, "message: not an object"),
        ({"properties": {"security-severity": "high"}}, "not a score from 0 to 10"),
        ({"properties": {"security-severity": "nan"}}, "not a score from 0 to 10"),
        ({"suppressions": [{"kind": "mine"}]}, "kind: not one of"),
        ({"locations": [{"physicalLocation": {"artifactLocation": {"uri": 3}}}]}, "not a string"),
        ({"ruleIndex": True}, "not a whole number"),
    ],
)
def test_result_that_is_not_as_the_format_says_is_unreadable(
    fields: dict[str, Any], match: str
) -> None:
    with pytest.raises(GateError, match=match):
        _read(_run(_result(**fields)))


def test_log_that_is_not_utf8_is_unreadable() -> None:
    with pytest.raises(GateError, match="unreadable SARIF"):
        parse_sarif('{"version": "2.1.0"}'.encode("utf-16"), ROOT)


def test_too_large_a_log_is_unreadable() -> None:
    with pytest.raises(GateError, match="unreadable SARIF: log: larger than 67108864 bytes"):
        parse_sarif(b" " * ((64 << 20) + 1), ROOT)


def test_ten_thousand_results_are_read() -> None:
    results = [_result(locations=_at(f"f{number}.py")) for number in range(10_000)]
    assert len(_read(_run(*results)).findings) == 10_000
