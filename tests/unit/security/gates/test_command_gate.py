"""Commands as gates: exit codes, reports, and what is not believed of them."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from security.finding import Severity
from security.gates.command import CommandGate, Output
from security.gates.interface import GateError, Kind, Task
from tests.unit.security.gates.gate_tasks import build_task

pytestmark = pytest.mark.process

PYTHON = Path(sys.executable)


def _gate(*command: str, **fields: Any) -> CommandGate:
    return CommandGate(
        fields.pop("name", "audit"), fields.pop("kind", Kind.SOURCE), command, **fields
    )


def _shell(script: str, **fields: Any) -> CommandGate:
    return _gate("sh", "-c", script, **fields)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return build_task(tmp_path, _gate("true"), {"a.py": "x = 1\n", "scripts/audit.sh": "exit 0\n"})


def test_exit_code_0_finds_nothing(task: Task) -> None:
    report = _shell("echo fine").judge(task)
    assert (report.findings, report.judged, report.unjudged) == ((), 1, None)


def test_exit_code_1_is_one_finding_with_the_last_lines(task: Task) -> None:
    (finding,) = _shell("echo one; echo 'two\x1b[2K'; echo three >&2; exit 1").judge(task).findings
    assert (finding.id, finding.severity, finding.path) == ("audit", Severity.HIGH, "")
    assert finding.message == "sh exited with 1: one | two\\x1b[2K | three"


@pytest.mark.parametrize("ending", ["exit 2", "exit 126", "no-such-program", "kill -9 $$"])
def test_any_other_ending_could_not_judge(task: Task, ending: str) -> None:
    with pytest.raises(GateError):
        _shell(f"echo fine; {ending}").judge(task)


def test_hanging_command_could_not_judge(task: Task) -> None:
    with pytest.raises(GateError, match="0.2 s"):
        _shell("exec sleep 30", timeout=0.2).judge(task)


def test_no_file_to_read_is_not_clean(task: Task) -> None:
    with pytest.raises(GateError, match="no source file matches the gate: audit"):
        _shell("exit 0").judge(replace(task, files=()))


def test_missing_program_is_an_error_before_and_at_judging(task: Task) -> None:
    gate = _gate("no-such-program")
    for ask in (gate.tool, gate.judge):
        with pytest.raises(GateError, match="tool missing: no-such-program"):
            ask(task)


def test_no_shell_reads_the_words(task: Task) -> None:
    gate = _gate("sh", "-c", 'test "$1" = "; exit 1 #" && test $# = 1', "sh", "; exit 1 #")
    assert gate.judge(task).findings == ()


# --- what it runs ---------------------------------------------------------------------------------


def test_program_of_the_checkout_is_not_found_on_a_relative_path(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(task.directory)
    planted = task.directory / "audit-tool"
    planted.write_text("#!/bin/sh\nexit 0\n")
    planted.chmod(0o755)
    for path in (".", "", f"{os.pathsep}.", "bin"):
        with pytest.raises(GateError, match="tool missing: audit-tool"):
            _gate("audit-tool").judge(replace(task, environment={"PATH": path}))


@pytest.mark.parametrize("name", ["../audit.sh", "scripts/../../audit.sh", "./none.sh"])
def test_program_outside_of_what_is_read_is_refused(task: Task, name: str) -> None:
    (task.directory.parent / "audit.sh").write_text("exit 0\n")
    with pytest.raises(GateError, match="tool missing"):
        _gate(name).judge(task)


def test_program_of_the_source_tree_runs_where_it_is_read(task: Task) -> None:
    gate = _gate("./scripts/audit.sh")
    with pytest.raises(GateError, match="not executable: ./scripts/audit.sh"):
        gate.judge(task)
    (task.directory / "scripts/audit.sh").write_text("#!/bin/sh\nexit 1\n")
    (task.directory / "scripts/audit.sh").chmod(0o755)
    assert len(gate.judge(task).findings) == 1


def test_projects_environment_comes_first_on_the_path(task: Task, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/true").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin/true").chmod(0o755)
    assert _gate("true").judge(task).findings == ()
    assert len(_gate("true").judge(replace(task, python=tmp_path / "bin/python")).findings) == 1


def test_script_that_judges_is_the_protected_branchs() -> None:
    gate = _gate("sh", "./scripts/audit.sh", reads_patterns=("src/*",), configuration=("*.toml",))
    read = ["src/a.py", "src/deep/a.py", "scripts/audit.sh", "b.toml"]
    assert [path for path in (*read, "README.md") if gate.reads(path)] == read
    assert [path for path in read if gate.configures(path)] == ["scripts/audit.sh", "b.toml"]


def test_without_patterns_every_file_is_read() -> None:
    assert _gate("true").reads(".github/workflows/ci.yml")


# --- what its result is bound to ------------------------------------------------------------------


def test_tool_changes_with_words_program_and_output(task: Task, tmp_path: Path) -> None:
    program = tmp_path / "bin/audit-tool"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    task = replace(task, environment={"PATH": str(program.parent)})
    tools = [
        _gate("audit-tool").tool(task),
        _gate("audit-tool", "").tool(task),
        _gate("audit-tool", output=Output.SARIF).tool(task),
        _gate("audit-tool", exit_codes=(0, 14)).tool(task),
    ]
    assert tools[0] == _gate("audit-tool").tool(task)
    program.write_text("#!/bin/sh\nexit 00\n")
    tools.append(_gate("audit-tool").tool(task))
    assert len({tool.sha256 for tool in tools}) == 5


def test_tool_of_the_projects_environment_is_bound_to_it(task: Task) -> None:
    task = replace(task, python=PYTHON)
    assert "environment" in _gate(PYTHON.name).tool(task).configuration
    assert "environment" not in _gate("sh").tool(task).configuration


def test_tool_is_told_before_there_is_a_copy(task: Task) -> None:
    there = _gate("scripts/audit.sh").tool(task)
    assert _gate("scripts/audit.sh").tool(replace(task, directory=Path("/nowhere"))) == there


# --- outs -----------------------------------------------------------------------------------------


def test_out_is_handed_over_as_one_word(task: Task, tmp_path: Path) -> None:
    out = tmp_path / "a model; exit 1"
    out.write_text("weights")
    gate = _gate("grep", "-q", "weights", "{out}", kind=Kind.MODEL)
    assert gate.judge(replace(task, subject="model.onnx", out=out)).findings == ()
    out.write_text("other")
    (finding,) = gate.judge(replace(task, subject="model.onnx", out=out)).findings
    assert finding.path == "model.onnx"


@pytest.mark.parametrize(
    ("kind", "word", "match"),
    [
        (Kind.DATA, "x", "command without {out}: audit"),
        (Kind.SOURCE, "{out}", "no out in a check of source files: audit"),
    ],
)
def test_command_has_to_say_what_it_judges(task: Task, kind: Kind, word: str, match: str) -> None:
    gate = _gate("true", word, kind=kind)
    for ask in (gate.tool, gate.judge):
        with pytest.raises(GateError, match=match):
            ask(task)


# --- reports --------------------------------------------------------------------------------------


def _sarif(*results: dict[str, Any], **run: Any) -> str:
    tool = {"driver": {"name": "checker"}}
    return json.dumps({"version": "2.1.0", "runs": [{"tool": tool, "results": results, **run}]})


BAD = {"ruleId": "R1", "level": "error", "message": {"text": "bad"}}
SILENT = {**BAD, "suppressions": [{"kind": "inSource"}]}


def _writes(text: str, exit_code: int, **fields: Any) -> CommandGate:
    script = f"import sys; open(sys.argv[1], 'w').write({text!r}); sys.exit({exit_code})"
    words = (str(PYTHON), "-I", "-c", script, "{report}")
    return _gate(*words, output=fields.pop("output", Output.SARIF), **fields)


@pytest.mark.parametrize(
    ("results", "exit_code"), [((), 0), ((BAD,), 0), ((BAD,), 1), ((SILENT,), 0)]
)
def test_report_is_read_with_an_exit_code_that_fits(
    task: Task, results: tuple[dict[str, Any], ...], exit_code: int
) -> None:
    report = _writes(_sarif(*results), exit_code).judge(task)
    assert (len(report.findings), report.judged, report.unjudged) == (len(results), 1, None)
    assert report.facts == {"tools": "checker"}


def test_report_may_come_on_standard_output(task: Task) -> None:
    gate = _shell("cat <<'E'\n" + _sarif(BAD) + "\nE\nexit 1", output=Output.SARIF)
    assert [finding.id for finding in gate.judge(task).findings] == ["R1"]


@pytest.mark.parametrize("exit_code", [1, 2, 127])
def test_failure_with_an_empty_report_could_not_judge(task: Task, exit_code: int) -> None:
    with pytest.raises(GateError, match=f"exit code {exit_code} with a report without findings"):
        _writes(_sarif(), exit_code).judge(task)


@pytest.mark.parametrize(("result", "exit_code"), [(SILENT, 1), (BAD, 2)])
def test_exit_code_that_findings_do_not_explain_is_said(
    task: Task, result: dict[str, Any], exit_code: int
) -> None:
    report = _writes(_sarif(result), exit_code).judge(task)
    assert report.unjudged == f"unexpected exit code of audit: {exit_code}"
    assert len(report.findings) == 1


def test_exit_codes_of_a_tool_can_be_told(task: Task) -> None:
    assert _writes(_sarif(BAD), 14, exit_codes=(0, 14)).judge(task).unjudged is None


def test_report_that_says_it_is_not_whole_is_not_judged(task: Task) -> None:
    text = _sarif(invocations=[{"executionSuccessful": False}])
    assert _writes(text, 0).judge(task).unjudged == "unsuccessful run: checker"


@pytest.mark.parametrize("text", ["", "{", "no findings", '{"version": "2.1.0", "runs": []}'])
def test_unreadable_report_could_not_judge(task: Task, text: str) -> None:
    with pytest.raises(GateError, match="unreadable SARIF"):
        _writes(text, 0).judge(task)


def test_missing_report_could_not_judge(task: Task) -> None:
    gate = _gate("true", "{report}", output=Output.SARIF)
    with pytest.raises(GateError, match="unreadable report"):
        gate.judge(task)


def test_old_report_is_not_read(task: Task) -> None:
    assert _writes(_sarif(), 0).judge(task).findings == ()
    (task.scratch / "report").write_text(_sarif())
    with pytest.raises(GateError, match="unreadable report"):
        _gate("true", "{report}", output=Output.SARIF).judge(task)


@pytest.mark.parametrize("making", ["ln -s {other} {report}", "mkfifo {report}", "mkdir {report}"])
def test_report_that_is_not_a_file_could_not_judge(task: Task, making: str) -> None:
    other = task.scratch / "other"
    other.write_text(_sarif())
    gate = _shell(making.replace("{other}", str(other)), output=Output.SARIF)
    with pytest.raises(GateError, match="the report is not a regular file"):
        gate.judge(task)


def _junit(*cases: str) -> str:
    return f'<testsuite tests="{len(cases)}">{"".join(cases)}</testsuite>'


GOOD = '<testcase classname="a" name="b"/>'
FAILED = '<testcase classname="a" name="c"><failure message="no"/></testcase>'
SKIPPED = '<testcase classname="a" name="d"><skipped/></testcase>'


@pytest.mark.parametrize(
    ("cases", "exit_code", "found", "judged"),
    [
        ((GOOD,), 0, [], 1),
        ((GOOD, FAILED), 1, ["a::c"], 2),
        ((GOOD, FAILED), 0, ["a::c"], 2),
        ((GOOD, SKIPPED), 0, [], 1),
        ((SKIPPED,), 0, [], 0),  # nothing was judged
        ((), 0, [], 0),
    ],
)
def test_report_of_tests_is_read(
    task: Task, cases: tuple[str, ...], exit_code: int, found: list[str], judged: int
) -> None:
    report = _writes(_junit(*cases), exit_code, output=Output.JUNIT).judge(task)
    assert [finding.id for finding in report.findings] == found
    assert (report.judged, report.unjudged) == (judged, None)
    assert report.facts["skipped"] == cases.count(SKIPPED)


@pytest.mark.parametrize(
    ("text", "exit_code", "match"),
    [
        (_junit(GOOD), 1, "exit code 1 with a report without findings"),
        (_junit(), 2, "exit code 2 with a report without findings"),
        ("", 0, "unreadable test report"),
        (_junit(GOOD)[:-5], 0, "unreadable test report"),
    ],
)
def test_report_of_tests_that_does_not_add_up_could_not_judge(
    task: Task, text: str, exit_code: int, match: str
) -> None:
    with pytest.raises(GateError, match=match):
        _writes(text, exit_code, output=Output.JUNIT).judge(task)
