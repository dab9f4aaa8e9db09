"""JUnit XML: one test suite for each gate, for the test reports of CI services.

Readers agree on no schema, so only elements that all of them know are used. None is for warnings: a
warning is a passed test with the finding as its output.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from security.content.printable import printable
from security.finding import Finding
from security.policy.decision import CaseDecision
from security.policy.waiver import Waiver
from security.verdict import Verdict


@dataclass(frozen=True, slots=True)
class _Case:
    """One test case.

    Attributes:
        name: id and place of the finding.
        group: subject of the gate.
        status: ``failure``, ``error``, ``skipped`` or ``passed``.
        message: message of the status, or output of a passed test.
    """

    name: str
    group: str
    status: str
    message: str
    seconds: float = 0.0


def write_junit(decisions: Sequence[CaseDecision]) -> str:
    """Return decisions as a JUnit document."""
    gates: dict[str, list[CaseDecision]] = {}
    for one in decisions:
        gates.setdefault(one.decision.gate, []).append(one)
    suites = {gate: [case for one in ones for case in _cases(one)] for gate, ones in gates.items()}
    everything = [case for cases in suites.values() for case in cases]
    seconds = sum(one.seconds for one in decisions)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f"<testsuites{_attributes('ml-assets', everything, seconds)}>")
    for gate, cases in suites.items():
        lines.extend(_suite(gate, cases, sum(one.seconds for one in gates[gate])))
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _cases(one: CaseDecision) -> Iterator[_Case]:
    decision, subject = one.decision, one.decision.subject
    for finding in decision.failing:
        yield _Case(_name(finding), subject, "failure", finding.message)
    for finding in decision.warning:
        yield _Case(_name(finding), subject, "passed", f"warning: {finding.message}")
    for finding, waiver in decision.waived:
        yield _Case(_name(finding), subject, "skipped", _waived(finding, waiver))
    for finding in decision.silenced:
        by = finding.silenced.value if finding.silenced else "policy"
        yield _Case(_name(finding), subject, "skipped", f"silenced by {by}: {finding.message}")
    broken = _is_broken(one)
    found = decision.failing or decision.warning or decision.waived or decision.silenced
    if broken or not found:  # a gate without findings is a passed test
        name, status = f"{decision.gate}: judged", "error" if broken else "passed"
        yield _Case(name, subject, status, decision.reason, one.seconds)


def _is_broken(one: CaseDecision) -> bool:
    """Return whether a part of the subject could not be judged."""
    unjudged = one.report is None or one.report.unjudged is not None
    failed = one.decision.verdict is Verdict.FAILED
    return one.decision.verdict is Verdict.ERROR or (failed and unjudged)


def _name(finding: Finding) -> str:
    return f"{finding.id} at {finding.place}" if finding.place else finding.id


def _waived(finding: Finding, waiver: Waiver) -> str:
    until = f"waived by {waiver.owner} until {waiver.expires}: {waiver.reason}"
    return f"{until}: {finding.message}"


def _suite(gate: str, cases: Sequence[_Case], seconds: float) -> Iterator[str]:
    yield f"  <testsuite{_attributes(gate, cases, seconds)}>"
    for case in cases:
        head = f'name="{_text(case.name)}" classname="{_text(f"{gate}.{case.group}")}"'
        yield f'    <testcase {head} time="{case.seconds:.3f}">'
        message = _text(case.message)
        if case.status == "passed":
            yield f"      <system-out>{message}</system-out>"
        elif case.status == "skipped":
            yield f'      <skipped message="{message}"/>'
        else:
            head = f'{case.status} message="{message}" type="{_text(gate)}"'
            yield f"      <{head}>{message}</{case.status}>"
        yield "    </testcase>"
    yield "  </testsuite>"


def _attributes(name: str, cases: Sequence[_Case], seconds: float) -> str:
    count = {one: 0 for one in ("failure", "error", "skipped", "passed")}
    for case in cases:
        count[case.status] += 1
    return (
        f' name="{_text(name)}" tests="{len(cases)}" failures="{count["failure"]}"'
        f' errors="{count["error"]}" skipped="{count["skipped"]}" time="{seconds:.3f}"'
    )


def _text(text: str) -> str:
    """Return a text for XML.

    ``printable`` escapes all characters that XML 1.0 forbids: none of them is printable.
    """
    return html.escape(printable(text, 2000), quote=True)
