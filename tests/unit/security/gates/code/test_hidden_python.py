"""Python in other places than ``.py`` files is judged as Python in one, or told."""

from __future__ import annotations

import importlib.util
import json
import marshal
import os
import sys
from pathlib import Path

import pytest

from security.finding import Severity
from security.gates.code.code_security import CodeSecurityGate
from security.gates.code.lint import LintGate
from security.gates.code.type_check import TypeCheckGate
from security.gates.interface import GateError, Report
from security.gates.python.bytecode import is_compiled, judge_compiled
from security.gates.python.notebook import parses, read_notebook
from security.gates.python.python_files import PythonFiles
from security.gates.python.stage_commands import StageCommand, find_code
from tests.unit.security.gates.gate_tasks import build_task, write_file

pytestmark = pytest.mark.process

EVIL = "import subprocess, sys\nsubprocess.call(sys.argv[1], shell=True)\n"
CODE = compile(EVIL, "evil", "exec")


def python_of(root: Path, *commands: str, wdir: str = "") -> PythonFiles:
    """Return the Python files of a tree whose stages have some commands."""
    told = [StageCommand("train", "dvc.yaml", wdir, command) for command in commands]
    return PythonFiles(root, lambda: find_code(told))


def judge(
    directory: Path,
    files: dict[str, str | bytes],
    *commands: str,
    wdir: str = "",
    compiled: frozenset[str] = frozenset(),
) -> Report:
    root = directory / "tree"
    for path, content in files.items():
        write_file(root / path, content)
    python = python_of(root, *commands, wdir=wdir)
    gate = CodeSecurityGate(python=python, compiled=lambda: compiled)
    return gate.judge(build_task(directory, gate, {**files, "dvc.yaml": "stages: {}\n"}))


def notebook(*cells: str, **top: object) -> str:
    listed = [{"cell_type": "code", "source": cell, "outputs": []} for cell in cells]
    return json.dumps({"cells": listed, "nbformat": 4, **top})


def shells(report: Report) -> list[tuple[str, int | None]]:
    return [(one.path, one.line) for one in report.findings if one.id == "B602"]


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("train", "python train"),
        ("train.txt", "python3 -u train.txt --fast"),
        ("train.yaml", "python -W ignore -X dev ./train.yaml"),
        ("src/train", "cd src && python train"),
        ("a/b/train.data", "python a/b/train.data"),
        ("train.json", "cat train.json | python"),
        ("train.csv", "python < train.csv"),
        ("train.md", "uv run --script train.md"),
        ("train", "bash -c 'cd . ; python3.11 train'"),
        ("train.conf", "python -c \"exec(open('train.conf').read())\""),
        ("train.x", "env A=1 nice -n 5 pypy3 train.x"),
        ("train", "x=$(python train)"),
        ("train", "if true; then python train; fi"),
        ("train", "python \\\n train"),
        ("train", "accelerate launch train"),
    ],
)
def test_script_of_a_stage_is_judged_whatever_its_name(
    tmp_path: Path, path: str, command: str
) -> None:
    write_file(tmp_path / path, EVIL)
    assert python_of(tmp_path, command).is_script(path)


@pytest.mark.parametrize(
    "first",
    [
        "#!/usr/bin/env python3",
        "#!/usr/bin/python",
        "#!/usr/bin/env -S uv run --script",
        "#! python",
    ],
)
def test_script_is_known_by_its_first_line(tmp_path: Path, first: str) -> None:
    for path in ("bin/tool", "run.sh"):
        write_file(tmp_path / path, f"{first}\n{EVIL}")
        assert python_of(tmp_path).is_script(path)


@pytest.mark.parametrize(
    ("script", "text", "command"),
    [
        ("run.sh", "set -e\npython train.txt\n", "bash run.sh"),
        ("run.sh", "exec ./inner.sh\n", "./run.sh"),
        ("Makefile", "train: data\n\t@python train.txt\n", "make train"),
        ("bin/run.sh", "cd .\npython ./train.txt\n", "sh bin/run.sh"),
    ],
)
def test_script_of_a_shell_script_is_judged(
    tmp_path: Path, script: str, text: str, command: str
) -> None:
    write_file(tmp_path / "train.txt", EVIL)
    write_file(tmp_path / "inner.sh", "python train.txt\n")
    write_file(tmp_path / script, text)
    assert python_of(tmp_path, command).is_script("train.txt")


def test_code_in_a_shell_script_is_judged_there(tmp_path: Path) -> None:
    write_file(tmp_path / "run.sh", f"python -c '{EVIL}'\n")
    (found,) = python_of(tmp_path, "sh run.sh").code.inline
    assert found.file == "run.sh" and found.code == EVIL


def test_stage_in_another_directory_names_its_files_from_there(tmp_path: Path) -> None:
    write_file(tmp_path / "sub/train", EVIL)
    assert python_of(tmp_path, "python train", wdir="sub").is_script("sub/train")


@pytest.mark.parametrize(
    "command",
    [
        f"python -c '{EVIL}'",
        f'python3 -Ic "{EVIL}"',
        f"bash -lc \"python -uc '{EVIL}'\"",
        f"python - <<'END'\n{EVIL}END\n",
        f"echo '{EVIL}' | python",
        f"python -W ignore -c'{EVIL}'",
    ],
)
def test_code_in_a_command_is_judged(command: str) -> None:
    found = find_code([StageCommand("train", "dvc.yaml", "", command)]).inline
    assert found and found[0].code.strip() == EVIL.strip()


def test_code_in_a_command_is_part_of_what_judged(tmp_path: Path) -> None:
    gates = [
        CodeSecurityGate(python=python_of(tmp_path, f"python -c '{code}'")) for code in ("1", "2")
    ]
    tools = [gate.tool(build_task(tmp_path, gate, {})) for gate in gates]
    assert tools[0].sha256 != tools[1].sha256


@pytest.mark.parametrize(
    "text",
    [
        notebook("x = 1", EVIL),
        notebook("%matplotlib inline\n!pip install x\n" + EVIL),
        notebook("%%time\n" + EVIL),
        notebook("import subprocess, sys", "%time subprocess.call(sys.argv[1], shell=True)"),
        notebook("this is no python\n" + EVIL),
        notebook(EVIL, metadata={"language_info": {"name": "R"}}),
        json.dumps({"worksheets": [{"cells": [{"cell_type": "code", "input": EVIL}]}]}),
        json.dumps({"cells": [{"cell_type": "code", "source": EVIL.splitlines(True)}]}),
        notebook("x = !ls\ny = %who_ls\nprint?\n?print\n" + EVIL),
        notebook("if True:\n    !ls\n    " + EVIL.replace("\n", "\n    ")),
    ],
)
def test_code_of_a_notebook_survives(text: str) -> None:
    code = read_notebook(text.encode())
    assert code is not None and parses(code.text)
    assert "subprocess.call(sys.argv[1], shell=True)" in code.text
    assert len(code.places) == code.text.count("\n")


def test_all_hidden_places_are_judged(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "bin/tool": f"#!/usr/bin/python\n{EVIL}",
        "sub/train.txt": EVIL,
        "work/Explore.ipynb": notebook("x = 1", EVIL),
        "ELF": b"\x7fELF\0\0",
    }
    commands = ("python train.txt", f"python -c '{EVIL}'", "python ../ELF")
    report = judge(tmp_path, files, *commands, wdir="sub")
    assert sorted((path, line) for path, line in shells(report) if line) == [
        ("bin/tool", 3),
        ("sub/train.txt", 2),
    ]
    said = {one.path: one.message.partition(":")[0] for one in report.findings if one.line is None}
    assert said["work/Explore.ipynb"] == "cell 2, line 2"
    assert said["dvc.yaml"] == "command of stage train"
    assert "cannot be read" in said["ELF"] and report.unjudged is None


def test_ordinary_notebooks_and_data_are_no_finding(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.ipynb": notebook(
            "%load_ext autoreload\n%autoreload 2\nimport numpy as np",
            "!pip install -q numpy",
            "%%bash\nls -l | wc\n",
            "%%html\n<b>x</b>",
            "df.head()?",
            "",
            "%%time\nx = np.zeros(3)",
            "files = !ls data/*.csv",
            "await fetch()",
            "for x in range(3):\n    %timeit f(x)",
        ),
        "params.yaml": "lr: 0.1\n",
        "data/a.csv": "a,b\n1,2\n",
        "conf.json": '{"a": [1, 2]}',
        "README.md": "import this\n",
        "run.sh": "#!/bin/sh\npython train.py\n",
        "train.py": "x = 1\n",
    }
    command = "python train.py --params params.yaml --data data/a.csv conf.json README.md run.sh"
    report = judge(tmp_path, files, command, "python -c 'print(1)'", 'python -c "$CODE"')
    assert [(one.id, one.message) for one in report.findings] == [
        ("not-judged", "no Python, so not judged: command of stage train")
    ]
    assert report.judged == 4 and report.unjudged is None


def test_text_that_is_no_notebook_is_told(tmp_path: Path) -> None:
    report = judge(tmp_path, {"a.ipynb": "<<<<<<< ours", "a.py": ""})
    assert [(one.id, one.severity) for one in report.findings] == [("not-judged", Severity.LOW)]


def compiled_of(flags: int = 0) -> bytes:
    head = importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + b"\0" * 8
    return head + marshal.dumps(CODE)


@pytest.mark.parametrize(
    ("path", "flags", "severity"),
    [
        ("helper.pyc", 0, Severity.HIGH),
        ("a/__pycache__/gone.cpython-311.pyc", 0, Severity.HIGH),
        ("a/__pycache__/x.cpython-311.pyc", 1, Severity.HIGH),
        ("a/__pycache__/x.cpython-311.pyc", 3, Severity.HIGH),
        ("a/__pycache__/x.cpython-311.pyc", 0, Severity.LOW),
        ("a/__pycache__/x.cpython-311.opt-1.pyc", 0, Severity.LOW),
    ],
)
def test_compiled_file_in_git_is_told(path: str, flags: int, severity: Severity) -> None:
    found = judge_compiled(path, compiled_of(flags), {"a/x.py"})
    assert (found.id, found.path, found.severity) == ("compiled-python", path, severity)


@pytest.mark.parametrize("content", [compiled_of(), b"PK\x03\x04" + b"x" * 50, b"\x7fELF\0\0"])
def test_compiled_script_is_no_text(content: bytes) -> None:
    assert is_compiled(content) and judge_compiled("x", content, ()).severity is Severity.HIGH


def test_only_compiled_files_in_git_are_read() -> None:
    path = "a/__pycache__/x.cpython-311.pyc"
    assert not CodeSecurityGate().reads(path)
    assert CodeSecurityGate(compiled=lambda: [path]).reads(path)


def test_exclusion_counts_for_notebooks_and_scripts(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "pyproject.toml": '[tool.bandit]\nexclude_dirs = ["old"]\n',
        "old/a.ipynb": notebook(EVIL),
        "old/tool": f"#!/usr/bin/python\n{EVIL}",
        "a.py": "x = 1\n",
    }
    report = judge(tmp_path, files)
    assert report.findings == () and report.facts["left_out"] == 2


def test_lint_and_types_judge_scripts(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"bin/tool": "import os\nx: int = 'a'\n", "tool": "y = 1\n"}
    for path, content in files.items():
        write_file(tmp_path / "tree" / path, content)
    python = python_of(tmp_path / "tree", "python bin/tool && python tool")
    lint = LintGate(python.is_script)
    report = lint.judge(build_task(tmp_path, lint, files))
    assert [(one.id, one.path) for one in report.findings] == [("F401", "bin/tool")]
    assert report.judged == 2
    types = TypeCheckGate(is_script=python.is_script)
    task = build_task(tmp_path / "types", types, files, python=Path(sys.executable))
    report = types.judge(task)
    assert [(one.id, one.path, one.line) for one in report.findings] == [
        ("assignment", "bin/tool", 2)
    ]


def test_large_tree_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        write_file(tmp_path / f"file{number}", "x")
    python = python_of(tmp_path)
    assert not any(python.is_script(f"file{number}") for number in range(50))
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("read again"))
    assert not any(python.is_script(f"file{number}") for number in range(50))


@pytest.mark.parametrize(("path", "command"), [("book.ipynb", "true"), ("train", "python train")])
def test_unreadable_code_is_an_error(tmp_path: Path, path: str, command: str) -> None:
    write_file(tmp_path / "tree" / path, EVIL)
    gate = CodeSecurityGate(python=python_of(tmp_path / "tree", command))
    task = build_task(tmp_path, gate, {path: notebook(EVIL)})
    (tmp_path / "tree" / path).unlink()
    with pytest.raises(GateError, match=f"cannot read: {path}"):
        gate.judge(task)
