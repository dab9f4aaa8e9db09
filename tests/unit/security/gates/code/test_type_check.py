"""The gate ``types``: real runs of mypy, and what a tree could do to make it say nothing."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from security.finding import Severity
from security.gates.code.type_check import TypeCheckGate
from security.gates.interface import Gate, GateError, Report, Task
from tests.unit.security.gates.gate_tasks import ENVIRONMENT, build_task

pytestmark = pytest.mark.process

REAL = Path(sys.executable)
TYPES: Gate = TypeCheckGate()
CLEAN = {"app/__init__.py": "", "app/a.py": "x: int = 1\n", "README.md": "none\n"}
DIRTY = {**CLEAN, "app/b.py": 'y = 1\nx: int = "a"\n\n\ndef f() -> str:\n    return 1\n'}
STRICT = "[mypy]\nstrict = true\n"
UNTYPED = {"a.py": "def f(x):\n    return x\n"}


def task_of(directory: Path, files: dict[str, str], gate: Gate = TYPES, **others: object) -> Task:
    return build_task(directory, gate, files, python=REAL, **others)


def judge(directory: Path, files: dict[str, str], gate: Gate = TYPES, **others: object) -> Report:
    return gate.judge(task_of(directory, files, gate, **others))


@pytest.fixture
def quick(tmp_path_factory: pytest.TempPathFactory) -> TypeCheckGate:
    """Return a gate that remembers what it has seen of typeshed."""
    return TypeCheckGate(cache=tmp_path_factory.getbasetemp() / "mypy")


def fake_mypy(directory: Path, script: str) -> Path:
    """Return the interpreter of an environment whose mypy says what a test wants."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = directory / "fake" / "lib" / version / "site-packages"
    (site / "mypy").mkdir(parents=True)
    (site / "mypy" / "__main__.py").write_text(f"import sys\ndef console_entry():\n    {script}\n")
    (site / "mypy" / "__init__.py").write_text("")
    (site / "mypy-1.0.dist-info").mkdir()
    (site / "mypy-1.0.dist-info" / "METADATA").write_text("Name: mypy\nVersion: 1.0\n")
    (directory / "fake" / "bin").mkdir()
    (directory / "fake" / "pyvenv.cfg").write_text(f"home = {REAL.resolve().parent}\n")
    python = directory / "fake" / "bin" / "python"
    python.symlink_to(REAL.resolve())
    return python


def test_clean_tree_has_no_findings(tmp_path: Path) -> None:
    report = judge(tmp_path, CLEAN)
    assert report.findings == () and report.unjudged is None and report.judged == 2
    assert report.facts["files"] == 2 and report.facts["silenced_comments"] == 0
    assert not list((tmp_path / "tree").rglob(".mypy_cache"))


def test_each_error_is_a_finding_with_its_place(tmp_path: Path, quick: Gate) -> None:
    report = judge(tmp_path, DIRTY, quick)
    assert [(one.id, one.place, one.column, one.severity) for one in report.findings] == [
        ("assignment", "app/b.py:2", 10, Severity.MEDIUM),
        ("return-value", "app/b.py:6", 12, Severity.MEDIUM),
    ]
    assert report.findings[0].message.startswith("Incompatible types in assignment")
    assert report.judged == 3 and report.unjudged is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mypy.ini", STRICT),
        (".mypy.ini", STRICT),
        ("setup.cfg", f"[metadata]\nname = a\n{STRICT}"),
        ("pyproject.toml", "[tool.mypy]\nstrict = true\nfiles = ['a.py']\n"),
    ],
)
def test_configuration_of_the_tree_is_used_and_is_configuration(
    tmp_path: Path, quick: Gate, name: str, text: str
) -> None:
    assert [one.id for one in judge(tmp_path, {**UNTYPED, name: text}, quick).findings] == [
        "no-untyped-def"
    ]
    assert TYPES.configures(name) and TYPES.reads(name)


def test_configuration_that_is_not_in_the_tree_is_not_used(tmp_path: Path, quick: Gate) -> None:
    (tmp_path / "mypy.ini").write_text(STRICT)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".mypy.ini").write_text(STRICT)
    variables = {**ENVIRONMENT, "HOME": str(home), "MYPYPATH": str(home), "FORCE_COLOR": "1"}
    files = {**UNTYPED, "pyproject.toml": "[tool.black]\n", "setup.cfg": "[metadata]\nname = a\n"}
    assert judge(tmp_path, files, quick, environment=variables).findings == ()


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"README.md": ""}, "no Python files"),
        ({"a.py": "x: int = (\n"}, r"mypy failed, exit code 2: a.py:\d+:\d+: error: "),
        ({**CLEAN, "mypy.ini": "{\n"}, "configuration of mypy: mypy.ini"),
        ({**CLEAN, "mypy.ini": "[mypy]\nfoo = 1\n"}, "configuration of mypy: mypy.ini: .*foo"),
        ({**CLEAN, "mypy.ini": "[mypy]\nstrict = perhaps\n"}, "configuration of mypy: mypy.ini"),
        ({**CLEAN, "pyproject.toml": "[tool.mypy\n"}, "configuration of mypy: pyproject.toml"),
        ({**CLEAN, "pyproject.toml": "[tool]\nmypy = 1\n"}, "configuration of mypy"),
        ({**CLEAN, "pyproject.toml": "[tool.mypy]\nplugins = 1\n"}, "plugins"),
        ({**CLEAN, "mypy.ini": "[mypy]\nplugins = absent\n"}, "importing plugin"),
        ({**CLEAN, "mypy.ini": "[mypy]\nfiles = absent\n"}, "mypy failed, exit code 2"),
        ({**CLEAN, "mypy.ini": "[mypy]\nexclude = .*\n"}, "mypy failed, exit code 2"),
        ({**CLEAN, "mypy.ini": "[mypy]\noutput = json\n"}, "configuration of mypy"),
    ],
)
def test_run_that_judged_nothing_is_an_error(
    tmp_path: Path, quick: Gate, files: dict[str, str], why: str
) -> None:
    with pytest.raises(GateError, match=why) as caught:
        judge(tmp_path, files, quick)
    assert caught.value.hint


PLUGIN = """
import os
os.write(1, b"Success: no issues found in 1 source file\\n")
os._exit(0)
"""


@pytest.mark.parametrize(
    ("plugin", "path"),
    [("p.py", "p.py"), ("./tools/../p.py:entry", "p.py"), ("p", "p.py"), ("a.p", "src/a/p.py")],
)
def test_plugin_from_the_judged_branch_does_not_run(tmp_path: Path, plugin: str, path: str) -> None:
    files = {**DIRTY, "mypy.ini": f"[mypy]\nplugins = {plugin}\n", path: PLUGIN}
    with pytest.raises(GateError, match=f"mypy plugin in the source tree: {path}"):
        judge(tmp_path, files)


def test_plugin_that_is_configuration_is_taken_from_the_protected_branch(
    tmp_path: Path, quick: TypeCheckGate
) -> None:
    gate = replace(quick, configuration=("tools/*.py",))
    assert gate.configures("tools/p.py") and not gate.configures("p.py")
    plugin = "from mypy.plugin import Plugin\ndef plugin(version: str) -> type: return Plugin\n"
    files = {**DIRTY, "mypy.ini": "[mypy]\nplugins = tools/p.py\n", "tools/p.py": plugin}
    assert len(judge(tmp_path, files, gate).findings) == 2


def test_modules_of_the_tree_are_not_taken_for_those_of_mypy(tmp_path: Path, quick: Gate) -> None:
    planted = {name: PLUGIN for name in ("sitecustomize.py", "usercustomize.py", "json.py")}
    files = {**DIRTY, **planted, "mypy/__init__.py": PLUGIN, "mypy/__main__.py": PLUGIN}
    files = {**files, "mypy.ini": "[mypy]\nfiles = app\n"}
    assert len(judge(tmp_path, files, quick).findings) == 2


def test_editable_tree_does_not_run_in_the_process_of_mypy(tmp_path: Path) -> None:
    said = 'print("Success: no issues found in 1 source file")'
    python = fake_mypy(tmp_path, said)
    task = replace(task_of(tmp_path, DIRTY), python=python)
    [site] = (tmp_path / "fake" / "lib").glob("*/site-packages")
    proof = tmp_path / "ran"
    for name in ("sitecustomize", "planted"):
        (task.directory / f"{name}.py").write_text(f"open({str(proof)!r}, 'w')\n")
    (site / "editable.pth").write_text(f"{task.directory}\nimport planted\n")
    assert TYPES.judge(task).judged == 1
    assert not proof.exists()


def test_silencing_comments_are_counted(tmp_path: Path, quick: Gate) -> None:
    silent = "# mypy: ignore-errors\nx: int = 'a'  # type: ignore[assignment]  # why\n"
    report = judge(tmp_path, {"a.py": silent, "b.pyi": "x: int = ''  #type:ignore\n"}, quick)
    assert report.findings == () and report.facts["silenced_comments"] == 3


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("pass", "no output"),
        ("print('Success: no issues found in 0 source files')", "contradicts itself"),
        ("print('Success: no issues found in 2 source files'); sys.exit(1)", "contradicts itself"),
        ("print('Found 1 error in 1 file (checked 2 source files)'); sys.exit(1)", "0 of 1 errors"),
        (
            "print('a.py:1: error: x  [y]\\nFound 1 error in 1 file (checked 2 source files)')",
            "contradicts itself",
        ),
        (
            "print('a.py:1: error: x\\na.py:2: error: y\\n"
            "Found 1 error in 1 file (checked 2 source files)'); sys.exit(1)",
            "2 of 1 errors",
        ),
        ("print('Success: no issues found in 2 source files\\nmore')", "mypy failed"),
        ("raise SystemError('crash')", "exit code 1: SystemError: crash"),
        ("sys.exit(0)", "no output"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("import time; time.sleep(60)", "still running"),
    ],
)
def test_output_that_does_not_add_up_is_an_error(tmp_path: Path, script: str, why: str) -> None:
    task = replace(task_of(tmp_path, CLEAN), python=fake_mypy(tmp_path, script), timeout=1.0)
    with pytest.raises(GateError, match=re.escape(why)):
        TYPES.judge(task)


def test_message_over_several_lines_forges_no_finding(tmp_path: Path) -> None:
    script = (
        "print('a.py:1:2: error: x\\x1b[0m\\nmore  [deprecated]\\na.py:1: note: see\\n"
        "Found 1 error in 1 file (checked 2 source files)'); sys.exit(1)"
    )
    task = replace(task_of(tmp_path, CLEAN), python=fake_mypy(tmp_path, script))
    [finding] = TYPES.judge(task).findings
    assert finding.message == "x\\x1b[0m" and finding.id == "mypy"


def test_missing_mypy_is_an_error_with_what_to_type(tmp_path: Path) -> None:
    python = fake_mypy(tmp_path, "pass")
    [site] = (tmp_path / "fake" / "lib").glob("*/site-packages")
    (site / "mypy-1.0.dist-info" / "METADATA").unlink()
    task = replace(task_of(tmp_path, CLEAN), python=python)
    for ask in (TYPES.tool, TYPES.judge):
        with pytest.raises(GateError, match="tool missing: mypy in") as caught:
            ask(task)
        assert "pip install mypy" in caught.value.hint
    with pytest.raises(GateError, match="no Python environment"):
        TYPES.judge(replace(task, python=None))


@pytest.mark.parametrize(
    ("path", "read"),
    [("a.py", True), ("b/c.pyi", True), ("b/py.typed", True), ("mypy.ini", True)]
    + [("README.md", False), ("b/mypy.ini", False), ("pyproject.toml", True), ("a.pyc", False)],
)
def test_only_what_mypy_reads_has_it_run_again(path: str, read: bool) -> None:
    assert TYPES.reads(path) is read
