"""The lines about gates at the end of a run: all that matters, and not thousands of passes."""

import pytest

from ml_assets.reporting.gate_report import write_verdicts
from security.policy.decision import CaseDecision, Decision
from security.verdict import Verdict


def judged(gate: str, subject: str, verdict: Verdict = Verdict.PASSED) -> CaseDecision:
    return CaseDecision(
        Decision(gate, subject, verdict, verdict.blocks, "a reason"), None, None, 0, False
    )


def test_each_decision_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_verdicts([judged("data", "b"), judged("data", "a"), judged("lint", "source")])

    assert capsys.readouterr().out.splitlines() == [
        "gate data of a: passed: a reason",
        "gate data of b: passed: a reason",
        "gate lint of source: passed: a reason",
    ]


def test_many_passes_are_one_line_and_what_did_not_pass_is_not_among_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    many = [judged("data", f"o{number}") for number in range(500)]

    write_verdicts([*many, judged("data", "a\nb", Verdict.FAILED)])

    assert capsys.readouterr().out.splitlines() == [
        "gate data: passed 500 times",
        "gate data of a\\nb: failed: a reason",
    ]


def test_long_gates_are_begun_first() -> None:
    from ml_assets.gating.runner import Case, longest_first
    from security.gates.code.code_security import CodeSecurityGate
    from security.gates.code.format import FormatGate
    from security.gates.code.workflows import WorkflowsGate

    gates = (WorkflowsGate(), CodeSecurityGate(), FormatGate())
    cases = longest_first([Case(gate, "source") for gate in gates])

    assert [case.gate.name for case in cases] == ["format", "code-security", "workflows"]
