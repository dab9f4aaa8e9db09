"""In-toto attestations: results as predicates that other programs understand.

Specifications: in-toto predicates *test-result* v0.1 and *vulns* v0.2. Neither can express an error
or an incomplete report, so such results have no attestation. Our verifier uses our own predicate
(``security.statements.gate_result``).
"""

from __future__ import annotations

from typing import Any

from security.finding import Finding
from security.gates.registry import Topic, topic_of
from security.policy.decision import NEWEST_ADVISORY, Decision
from security.statements.gate_result import GateResult
from security.statements.statement import Statement, Subject, write_statement
from security.verdict import Verdict

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
VULNERABILITIES = "https://in-toto.io/attestation/vulns/v0.2"

_RESULTS = {Verdict.PASSED: "PASSED", Verdict.WARNED: "WARNED", Verdict.FAILED: "FAILED"}


def write_attestation(result: GateResult, decision: Decision) -> Statement | None:
    """Write a result as an in-toto statement; None if no predicate fits.

    Args:
        decision: the policy's decision on the result.
    """
    if result.report.unjudged is not None or decision.verdict not in _RESULTS:
        return None
    subject = Subject(result.binding.subject, {"sha256": result.binding.sha256})
    topic = topic_of(result.binding.gate)
    if topic is Topic.TESTS:
        return write_statement([subject], TEST_RESULT, _test_result(result, decision))
    if topic is Topic.VULNERABILITIES:
        return write_statement([subject], VULNERABILITIES, _vulnerabilities(result))
    return None


def _test_result(result: GateResult, decision: Decision) -> dict[str, Any]:
    tool = result.binding.tool
    return {
        "result": _RESULTS[decision.verdict],
        "configuration": [
            {"name": name, "digest": {"sha256": digest}}
            for name, digest in sorted(result.binding.inputs.items())
            if len(digest) == 64
        ]
        or [{"name": f"{tool.name} {tool.version}", "digest": {"sha256": result.binding.key}}],
        "warnedTests": [one.id for one in decision.warning],
        "failedTests": [one.id for one in decision.failing],
    }


def _vulnerabilities(result: GateResult) -> dict[str, Any]:
    tool = result.binding.tool
    newest = str(result.report.facts.get(NEWEST_ADVISORY, ""))
    return {
        "scanner": {
            "uri": f"pkg:pypi/{tool.name}@{tool.version}",
            "version": tool.version,
            "db": {"uri": "urn:ml-assets:advisories", "version": newest, "lastUpdate": newest},
            "result": [_vulnerability(one) for one in result.report.findings],
        },
        "metadata": {"scanStartedOn": result.judged_at, "scanFinishedOn": result.judged_at},
    }


def _vulnerability(finding: Finding) -> dict[str, Any]:
    severity = finding.severity.value.upper() if finding.severity else "UNKNOWN"
    return {
        "id": finding.id,
        "severity": [{"method": "ml-assets", "score": severity}],
        "annotations": [{"package": finding.package, "aliases": ", ".join(finding.aliases)}],
    }
