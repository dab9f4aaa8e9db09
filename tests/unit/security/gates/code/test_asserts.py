"""Asserts are findings in code that runs, and none in code of tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from security.gates.code.code_security import CodeSecurityGate
from security.gates.interface import Report
from security.gates.python.python_files import PythonFiles
from security.gates.python.stage_commands import StageCommand, find_code
from tests.unit.security.gates.gate_tasks import build_task, write_file

pytestmark = pytest.mark.process


def gate_of(root: Path, *commands: str) -> CodeSecurityGate:
    told = [StageCommand("train", "dvc.yaml", "", command) for command in commands]
    return CodeSecurityGate(python=PythonFiles(root, lambda: find_code(told)))


def judge(directory: Path, files: dict[str, str | bytes], *commands: str) -> Report:
    for path, content in files.items():
        write_file(directory / "tree" / path, content)
    gate = gate_of(directory / "tree", *commands)
    return gate.judge(build_task(directory, gate, files))


ASSERTS = "def test_a():\n    assert 1\n    eval(input())\n"


@pytest.mark.parametrize(
    ("path", "commands", "left_out"),
    [
        ("tests/test_a.py", (), True),
        ("tests/unit/test_a.py", ("python train.py",), True),
        ("src/test_a.py", (), True),
        ("src/a_test.py", (), True),
        ("tests/conftest.py", (), True),
        ("tests/samples/boxes.py", (), True),
        ("src/a.py", (), False),
        ("testing/a.py", (), False),
        ("src/latest_run.py", (), False),
        ("tests/test_a.py", ("python tests/test_a.py",), False),
        ("tests/train.py", ("python tests/train.py",), False),
        ("tests/train", ("python tests/train",), False),
    ],
)
def test_asserts_are_a_finding_outside_of_test_code(
    tmp_path: Path, path: str, commands: tuple[str, ...], left_out: bool
) -> None:
    report = judge(tmp_path, {path: ASSERTS}, *commands)
    assert [one.id for one in report.findings] == (["B307"] if left_out else ["B101", "B307"])
    assert report.facts["asserts_in_tests"] == int(left_out)


def test_stage_that_starts_to_run_a_test_file_gets_a_new_result(tmp_path: Path) -> None:
    task = build_task(tmp_path, gate_of(tmp_path), {"tests/test_a.py": ASSERTS})
    before = gate_of(tmp_path).tool(task)
    assert gate_of(tmp_path, "python tests/test_a.py").tool(task) != before
    assert gate_of(tmp_path, "python train.py").tool(task) == before


def test_settings_of_a_branch_make_no_test_code(tmp_path: Path) -> None:
    files = {"src/a.py": ASSERTS, "pytest.ini": "[pytest]\npython_files = *.py\n"}
    assert [one.id for one in judge(tmp_path, {**files}).findings][0] == "B101"
