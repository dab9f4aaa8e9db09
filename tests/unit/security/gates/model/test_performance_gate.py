"""The gate ``performance``: a project's measurements, believed where all agrees."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from security.finding import Severity
from security.gates.interface import Gate, GateError, Kind, Place, Report, Task
from security.gates.model.performance import PerformanceGate
from security.gates.settings import Performance
from tests.unit.security.gates.gate_tasks import build_task

pytestmark = pytest.mark.process

REAL = Path(sys.executable)
SCRIPT = "scripts/performance_tests.py"
PASSED = '{"verdict": "passed", "metrics": {"p50_ms": 1.5, "size": 10}, "failures": []}'
FAILED = '{"verdict": "failed", "metrics": {"p50_ms": 9}, "failures": ["p50_ms is 9", "a\\u001bb"]}'
GATE = PerformanceGate(machine="test machine")


def script(report: str, exit_code: int = 0, more: str = "") -> str:
    """Return a performance test that reports what it is told to."""
    return f"""
import os, sys
path = sys.argv[sys.argv.index("--report") + 1]
model = sys.argv[sys.argv.index("--model") + 1]
assert model == "models/a b.bin", model
assert os.environ["TMPDIR"] == os.path.dirname(path)
{more}
open(path, "w").write({report!r})
print("measured")
sys.exit({exit_code})
"""


def task_of(directory: Path, text: str) -> Task:
    task = build_task(directory, GATE, {SCRIPT: text}, python=REAL)
    return replace(task, subject="models/a b.bin", out=directory / "tree/models/a b.bin")


def judge(directory: Path, text: str, gate: Gate = GATE) -> Report:
    return gate.judge(task_of(directory, text))


def test_it_judges_models_in_the_project() -> None:
    gate: Gate = GATE
    assert (gate.name, gate.kind, gate.place) == ("performance", Kind.MODEL, Place.CHECKOUT)
    assert gate.reads(SCRIPT) and not gate.reads("README.md")


@pytest.mark.parametrize("shell", [("/bin/sh", "-c"), None])
def test_fast_model_has_no_findings(tmp_path: Path, shell: tuple[str, ...] | None) -> None:
    report = judge(tmp_path, script(PASSED), replace(GATE, starter=shell))
    assert report.findings == () and report.unjudged is None and report.judged == 2
    assert report.facts == {"p50_ms": 1.5, "size": 10.0}


def test_each_failure_is_a_finding(tmp_path: Path) -> None:
    report = judge(tmp_path, script(FAILED, 1))
    assert [(one.id, one.message, one.severity) for one in report.findings] == [
        ("performance", "p50_ms is 9", Severity.HIGH),
        ("performance", "a\\x1bb", Severity.HIGH),
    ]
    assert report.unjudged is None


def test_failed_verdict_without_a_reason_is_a_finding(tmp_path: Path) -> None:
    text = '{"verdict": "failed", "metrics": {"a": 1}}'
    [finding] = judge(tmp_path, script(text, 1)).findings
    assert finding.message == "the performance test failed"


def test_bounds_of_ours_come_on_top(tmp_path: Path) -> None:
    gate = replace(GATE, most={"p50_ms": 1.0}, least={"size": 11, "absent": 1})
    report = judge(tmp_path, script(PASSED), gate)
    assert [(one.id, one.message) for one in report.findings] == [
        ("metric:p50_ms", "p50_ms is 1.5, more than 1"),
        ("metric:size", "size is 10, less than 11"),
    ]
    assert report.unjudged == "metrics not measured: absent"
    with pytest.raises(GateError, match="not finite"):
        judge(tmp_path / "other", script(PASSED), replace(GATE, most={"a": float("nan")}))


@pytest.mark.parametrize(
    ("report", "exit_code"),
    [
        (PASSED, 1),
        (PASSED, 3),
        (FAILED, 0),
        (FAILED, 2),
        (PASSED.replace("passed", "error"), 0),
        (PASSED.replace("[]", '["slow"]'), 0),
        (PASSED.replace("[]", "null"), 0),
        (PASSED.replace("1.5", "NaN"), 0),
        (PASSED.replace("1.5", "true"), 0),
        (PASSED.replace("1.5", '"1.5"'), 0),
        (PASSED.replace("1.5", "1e999"), 0),
        ('{"verdict": "passed", "metrics": {}}', 0),
        ('{"verdict": "passed"}', 0),
        ('{"verdict": ["passed"], "metrics": {"a": 1}}', 0),
        ('{"verdict": "failed", "verdict": "passed", "metrics": {"a": 1}}', 0),
        (PASSED[:-1], 0),
        ("[]", 0),
        ("[" * 100000, 0),
        ("", 0),
    ],
)
def test_report_that_does_not_add_up_is_an_error(
    tmp_path: Path, report: str, exit_code: int
) -> None:
    with pytest.raises(GateError, match="report") as caught:
        judge(tmp_path, script(report, exit_code))
    assert caught.value.hint and "exit code" in caught.value.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("print('all is well')", "unreadable report: no such file.*: all is well"),
        ("import os; os._exit(0)", "unreadable report"),
        ("raise SystemExit('cannot load the model')", "cannot load the model"),
        ("import os; os.kill(os.getppid(), 9); os.kill(os.getpid(), 9)", "SIGKILL|exit code 137"),
        (script(PASSED, more="os.symlink('/etc/hostname', path)"), "report|exit code"),
        (script(PASSED, more="os.mkfifo(path); sys.exit(0)"), "not a regular file"),
        ("import time; time.sleep(60)", "still running"),
        ("while True: print('x' * 100000)", "wrote more|still running"),
    ],
)
def test_measurement_that_did_not_end_well_is_an_error(tmp_path: Path, text: str, why: str) -> None:
    gate = replace(GATE, timeout=1.0)
    with pytest.raises(GateError, match=why):
        judge(tmp_path, text, gate)


def test_report_of_an_earlier_run_is_not_read(tmp_path: Path) -> None:
    assert judge(tmp_path, script(PASSED)).judged == 2
    with pytest.raises(GateError, match="unreadable report"):
        judge(tmp_path, "print('nothing')")


def test_names_of_models_are_words_and_no_commands(tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    task = replace(task_of(tmp_path, script(PASSED)), subject=f"$(touch {proof})'; touch {proof}")
    with pytest.raises(GateError, match="AssertionError"):
        GATE.judge(task)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("absent-program {model}", "tool missing"),
        ("python 'a", "unreadable command"),
        ("", "missing"),
    ],
)
def test_program_that_is_not_there_is_an_error(tmp_path: Path, command: str, why: str) -> None:
    with pytest.raises(GateError, match=why):
        judge(tmp_path, "", replace(GATE, command=command, starter=None))
    with pytest.raises(GateError, match="unreadable report"):
        judge(tmp_path / "shell", "", replace(GATE, command="absent-program {model}"))


def test_tool_changes_with_machine_command_and_bounds(tmp_path: Path) -> None:
    task = task_of(tmp_path, "")
    gates = [GATE, replace(GATE, machine="other"), replace(GATE, starter=None)]
    gates += [
        replace(GATE, command="x"),
        replace(GATE, most={"a": 1}),
        replace(GATE, least={"a": 1}),
    ]
    tools = [gate.tool(task) for gate in gates]
    assert len({tool.sha256 for tool in tools}) == len(gates)
    assert tools[0].configuration["machine"] == "test machine"
    assert tools[0].configuration["command"] == Performance.command
