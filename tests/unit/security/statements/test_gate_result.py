"""Results of gates: written once, and read only as they were written."""

import json
from typing import Any

import pytest

from security.finding import Finding, Severity, parse_finding
from security.gates.interface import Report, Tool
from security.statements.gate_result import (
    Binding,
    GateResult,
    ResultError,
    parse_result,
    write_result,
)

TOOL = Tool("bandit", "1.9.4", {"options": ["--ignore-nosec"]})
BINDING = Binding("code-security", "source", "a" * 64, {}, TOOL)
FINDING = Finding("B602", "shell=True", Severity.HIGH, path="a\nb.py", line=3, aliases=("CWE-78",))
RESULT = GateResult(
    BINDING, Report((FINDING,), 7, None, {"files": 7}), "2026-11-24T05:00:00+00:00", 1.25
)


def test_result_reads_back_as_written() -> None:
    assert parse_result(write_result(RESULT)) == RESULT


@pytest.mark.parametrize(
    "change",
    [
        {"gate": "lint"},
        {"subject": "models/a.onnx"},
        {"sha256": "b" * 64},
        {"inputs": {"source": "c" * 64}},
        {"tool": Tool("bandit", "1.9.5", TOOL.configuration)},
        {"tool": Tool("bandit", "1.9.4", {})},
    ],
)
def test_every_part_of_a_binding_makes_another_key(change: dict[str, Any]) -> None:
    parts = {
        "gate": BINDING.gate,
        "subject": BINDING.subject,
        "sha256": BINDING.sha256,
        "inputs": BINDING.inputs,
        "tool": BINDING.tool,
    }

    assert Binding(**{**parts, **change}).key != BINDING.key


def tampered(*path: Any, value: Any) -> bytes:
    body = json.loads(write_result(RESULT))
    place = body
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(body, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "statement",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        write_result(RESULT)[:-1],
        write_result(RESULT) + b"\n",
        write_result(RESULT).replace(b'"judged":7', b'"judged":7,"judged":9'),
        write_result(RESULT).replace(b'"judged":7', b'"judged": 7'),
        tampered("_type", value="https://in-toto.io/Statement/v0.1"),
        tampered("predicateType", value="https://in-toto.io/attestation/test-result/v0.1"),
        tampered("subject", value=[]),
        tampered("subject", 0, "name", value="models/b.onnx"),
        tampered("subject", 0, "digest", value={"sha256": "b" * 64}),
        tampered("subject", 0, "digest", "md5", value="b" * 32),
        tampered("extra", value=1),
        tampered("predicate", "extra", value=1),
        tampered("predicate", "report", "extra", value=1),
        tampered("predicate", "report", "judged", value=-1),
        tampered("predicate", "report", "judged", value=True),
        tampered("predicate", "report", "unjudged", value=5),
        tampered("predicate", "report", "findings", value=None),
        tampered("predicate", "report", "findings", value={}),
        tampered("predicate", "report", "findings", 0, "severity", value="none"),
        tampered("predicate", "report", "findings", 0, "line", value="3"),
        tampered("predicate", "binding", "tool", "version", value=None),
        tampered("predicate", "binding", "inputs", value={"source": 5}),
        tampered("predicate", "seconds", value="1.25"),
    ],
)
def test_tampered_statement_is_no_result(statement: bytes) -> None:
    with pytest.raises(ResultError, match="not a gate result"):
        parse_result(statement)


def test_finding_reads_back_and_nothing_else_passes_for_one() -> None:
    assert parse_finding(FINDING.to_json()) == FINDING
    for broken in ({}, {**FINDING.to_json(), "more": 1}, {**FINDING.to_json(), "line": True}):
        with pytest.raises(ValueError, match="not a finding"):
            parse_finding(broken)
