"""Results in in-toto's words: where these fit, and nothing where they have none."""

import json

import pytest
from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2

from security.finding import Finding, Severity
from security.gates.interface import Report, Tool
from security.policy.decision import evaluate
from security.policy.rule import Rule
from security.reports.in_toto import TEST_RESULT, VULNERABILITIES, write_attestation
from security.statements.gate_result import Binding, GateResult
from security.statements.statement import Statement
from tests.unit.security.statements.statement_samples import NOON, sha

BAD = Finding("tests/test_a.py::test_b", "it fails", Severity.HIGH)
CVE = Finding("CVE-2024-1", "bad", Severity.CRITICAL, package="jinja2==1.0")


def attest(gate: str, report: Report) -> Statement | None:
    binding = Binding(gate, "source", sha("source"), {"lock": sha("lock")}, Tool("tool", "1", {}))
    result = GateResult(binding, report, NOON.isoformat(), 1.0)
    decision = evaluate(Rule(), gate, "source", report, None, (), NOON.date())
    return write_attestation(result, decision)


def predicate(statement: Statement | None) -> dict[str, object]:
    assert statement is not None
    found = json.loads(statement.payload)["predicate"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("gate", ["unit-tests", "integration-tests", "model-validation"])
def test_tests_become_a_test_result(gate: str) -> None:
    statement = attest(gate, Report((), 12))
    assert statement is not None and statement.predicate_type == TEST_RESULT
    body = predicate(statement)
    assert body["result"] == "PASSED"
    ParseDict(body, test_result_pb2.TestResult())


def test_failed_test_is_named() -> None:
    body = predicate(attest("unit-tests", Report((BAD,), 12)))
    assert (body["result"], body["failedTests"]) == ("FAILED", [BAD.id])


def test_advisories_become_vulnerabilities() -> None:
    report = Report((CVE,), 500, facts={"advisories_newest": "2026-11-01"})
    statement = attest("dependencies", report)
    assert statement is not None and statement.predicate_type == VULNERABILITIES
    scanner = predicate(statement)["scanner"]
    assert isinstance(scanner, dict)
    assert scanner["db"]["lastUpdate"] == "2026-11-01"
    (result,) = scanner["result"]
    assert (result["id"], result["severity"][0]["score"]) == ("CVE-2024-1", "CRITICAL")


@pytest.mark.parametrize(
    ("gate", "report"),
    [
        ("unit-tests", Report((), 12, "half of them")),
        ("unit-tests", Report((), 0)),
        ("dependencies", Report((CVE,), 1, "one lock could not be read")),
        ("format", Report((), 12)),
        ("model-file", Report((), 1)),
    ],
)
def test_what_could_not_be_judged_or_has_no_word_is_not_stated(gate: str, report: Report) -> None:
    assert attest(gate, report) is None
