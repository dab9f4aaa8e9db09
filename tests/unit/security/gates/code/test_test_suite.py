"""The gates of tests: real runs of pytest, and the ways in which tests could seem to pass."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from security.finding import Severity
from security.gates.code.test_suite import TestSuiteGate
from security.gates.interface import Gate, GateError, Report, Task
from tests.unit.security.gates.gate_tasks import ENVIRONMENT, build_task

pytestmark = pytest.mark.process

REAL = Path(sys.executable)
QUICK = ("--disable-plugin-autoload",)
UNIT: Gate = TestSuiteGate("unit-tests", ("tests",), arguments=QUICK)

EXIT = "import pytest\ndef test_a(): pytest.exit('x', returncode=0)\n"
CLEAN = {"tests/test_a.py": "def test_a(): pass\ndef test_b(): pass\n"}
DIRTY = {
    "pytest.ini": "[pytest]\n",
    "tests/test_dirty.py": """
import pytest

def test_good(): pass

class TestBox:
    @pytest.mark.parametrize("word", ["a", "b::c"])
    def test_fails(self, word): assert word == "a", "first\\nsecond"

@pytest.fixture
def broken(): raise RuntimeError("no")

def test_breaks(broken): pass

@pytest.mark.skip(reason="later")
def test_left_out(): pass

@pytest.mark.xfail
def test_known(): assert 0

@pytest.mark.xfail
def test_better(): pass
""",
}


def task_of(directory: Path, files: dict[str, str], gate: Gate = UNIT, **others: object) -> Task:
    return build_task(directory, gate, files, python=REAL, **others)


def judge(directory: Path, files: dict[str, str], gate: Gate = UNIT, **others: object) -> Report:
    return gate.judge(task_of(directory, files, gate, **others))


def test_clean_suite_has_no_findings(tmp_path: Path) -> None:
    report = judge(tmp_path, CLEAN)
    assert report.findings == () and report.unjudged is None and report.judged == 2
    assert report.facts["tests"] == report.facts["passed"] == 2
    assert not list((tmp_path / "tree").rglob(".pytest_cache"))


def test_each_failed_test_is_a_finding_with_its_place(tmp_path: Path) -> None:
    report = judge(tmp_path, DIRTY)
    path = "tests/test_dirty.py"
    assert [(one.id, one.path, one.severity) for one in report.findings] == [
        (f"{path}::TestBox::test_fails[b::c]", path, Severity.HIGH),
        (f"{path}::test_breaks", path, Severity.HIGH),
    ]
    assert [one.line for one in report.findings] == [7, 13]
    assert report.findings[0].message == "failed: AssertionError: first"
    assert "RuntimeError: no" in report.findings[1].message
    assert report.unjudged is None and report.judged == 6
    assert {name: report.facts[name] for name in ("tests", "passed", "failed", "errors")} == {
        "tests": 7,
        "passed": 3,
        "failed": 1,
        "errors": 1,
    }
    assert [report.facts[name] for name in ("skipped", "xfailed", "xpassed")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"tests/test_a.py": "x = 1\n"}, "no tests collected in"),
        ({"tests/notes.txt": "none\n"}, "no tests collected in"),
        ({"other.py": ""}, "no tests: tests"),
        ({**CLEAN, "pytest.ini": "[pytest]\naddopts = -k nothing\n"}, "no tests collected in"),
        (
            {**CLEAN, "pytest.ini": "[pytest]\naddopts = --collect-only\n"},
            "no tests collected in",
        ),
        ({**CLEAN, "pytest.ini": "[pytest]\naddopts = --unheard-of\n"}, "exit code 4"),
        ({**CLEAN, "conftest.py": "raise SystemExit(0)\n"}, "unreadable test report"),
        ({**CLEAN, "tests/test_z.py": "import absent_module\n"}, "absent_module"),
        (
            {**CLEAN, "pytest.py": "raise SystemExit(0)\n", "tests/test_a.py": ""},
            "no tests collected",
        ),
        ({"tests/test_a.py": "import os\ndef test_a(): os._exit(0)\n"}, "unreadable test report"),
        ({"tests/test_a.py": f"{EXIT}def test_b(): 0\n"}, "testcase without a name"),
        ({"tests/test_a.py": "import os, signal\ndef test_a(): os.kill(os.getpid(), 9)\n"}, "SIGK"),
    ],
)
def test_run_that_judged_nothing_is_an_error(
    tmp_path: Path, files: dict[str, str], why: str
) -> None:
    with pytest.raises(GateError, match=why) as caught:
        judge(tmp_path, files)
    assert caught.value.hint


def test_suite_that_is_skipped_as_a_whole_judged_nothing(tmp_path: Path) -> None:
    skipped = "import pytest\npytestmark = pytest.mark.skip\ndef test_a(): pass\n"
    report = judge(tmp_path, {"tests/test_a.py": skipped})
    assert report.judged == 0 and report.unjudged == "all 1 tests were skipped or expected to fail"


@pytest.mark.parametrize(
    ("hook", "why"),
    [
        (
            "def pytest_runtest_teardown(): pytest.exit('done', returncode=0)",
            "0 of 2 tests completed",
        ),
        (
            "def pytest_collection_modifyitems(items): del items[1:]",
            "1 collected tests dropped",
        ),
        (
            "def pytest_runtestloop(session):\n"
            "    one = session.items[0]\n"
            "    return one.ihook.pytest_runtest_protocol(item=one, nextitem=None)",
            "1 of 2 tests completed",
        ),
        (
            "def pytest_runtest_logfinish(): pytest.exit('x', returncode=0)",
            "0 of 2 tests completed",
        ),
    ],
)
def test_run_that_ends_early_and_well_is_an_error(tmp_path: Path, hook: str, why: str) -> None:
    with pytest.raises(GateError, match=why):
        judge(tmp_path, {**CLEAN, "conftest.py": f"import pytest\n{hook}\n"})


def test_what_a_project_deselects_openly_is_shown(tmp_path: Path) -> None:
    gate = TestSuiteGate("unit-tests", ("tests",), arguments=("-k", "not test_b", *QUICK))
    report = judge(tmp_path, CLEAN, gate)
    assert report.facts["deselected"] == 1 and report.judged == 1 and report.unjudged is None


def test_run_that_stops_at_the_first_failure_says_what_it_left_out(tmp_path: Path) -> None:
    files = {**DIRTY, "pytest.ini": "[pytest]\naddopts = -x\n"}
    report = judge(tmp_path, files)
    assert len(report.findings) == 1
    assert report.unjudged == "3 of 7 tests completed"


@pytest.mark.parametrize(
    "hook",
    [
        "def pytest_sessionfinish(session): session.exitstatus = 0\n",
        "import os\ndef pytest_unconfigure(config): os._exit(0)\n",
        "import atexit, os\natexit.register(os._exit, 0)\n",
    ],
)
def test_failures_with_a_forged_exit_code_stay_failures(tmp_path: Path, hook: str) -> None:
    report = judge(tmp_path, {**DIRTY, "conftest.py": hook})
    assert len(report.findings) == 2
    assert report.unjudged is not None and "exit code 0 with 2 failed tests" in report.unjudged


FORGED = """<testsuite tests="1" failures="0" errors="0" skipped="0">
<testcase classname="a" name="b"/></testsuite>"""


def test_forged_report_of_a_test_that_ends_the_process_is_an_error(tmp_path: Path) -> None:
    test = f"""
import os, sys
def test_a(request):
    open(request.config.option.xmlpath, "w").write({FORGED!r})
    os._exit(0)
"""
    with pytest.raises(GateError, match="ended the pytest process"):
        judge(tmp_path, {"tests/test_a.py": test})


def test_report_that_is_rewritten_after_a_failure_is_an_error(tmp_path: Path) -> None:
    hook = f"""
def pytest_unconfigure(config):
    open(config.option.xmlpath, "w").write({FORGED!r})
"""
    with pytest.raises(GateError, match="exit code 1 with 0 failed"):
        judge(tmp_path, {**DIRTY, "conftest.py": hook})


def test_link_in_place_of_the_report_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "forged.xml").write_text(FORGED)
    hook = f"""
import os
def pytest_unconfigure(config):
    os.unlink(config.option.xmlpath)
    os.symlink({str(tmp_path / "forged.xml")!r}, config.option.xmlpath)
"""
    with pytest.raises(GateError, match="unreadable test report"):
        judge(tmp_path, {**CLEAN, "conftest.py": hook})


def test_tests_that_hang_are_ended(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="still running"):
        judge(tmp_path, {"tests/test_a.py": "import time\ntime.sleep(60)\n"}, timeout=1.5)


def test_variables_do_not_steer_the_run_and_files_go_to_scratch(tmp_path: Path) -> None:
    test = """
import os, sys, tempfile
def test_a(tmp_path):
    assert os.environ["KEPT"] == "1" and "PYTEST_ADDOPTS" not in os.environ
    assert os.environ["PATH"].startswith(os.path.dirname(sys.executable) + ":")
    for path in (tempfile.gettempdir(), str(tmp_path)):
        assert path.startswith(os.environ["SCRATCH"])
"""
    scratch = str(tmp_path / "scratch")
    variables = {**ENVIRONMENT, "KEPT": "1", "SCRATCH": scratch, "PYTEST_ADDOPTS": "-k nothing"}
    report = judge(tmp_path, {"tests/test_a.py": test}, environment=variables)
    assert report.findings == () and report.judged == 1


def test_names_and_messages_of_tests_stay_on_one_line(tmp_path: Path) -> None:
    test = """
import pytest
@pytest.mark.parametrize("a", [1], ids=["x\\u202e\\u2028y"])
def test_a(a): raise ValueError("\\x1b[31m\\rred")
"""
    [finding] = judge(tmp_path, {"tests/test_a.py": test}).findings
    assert finding.id.isprintable() and finding.message.isprintable()


def test_thousands_of_failures_are_all_reported(tmp_path: Path) -> None:
    test = "import pytest\n@pytest.mark.parametrize('a', range(500))\ndef test_a(a): assert 0\n"
    assert len(judge(tmp_path, {"tests/test_a.py": test}).findings) == 500


COVERED = {
    "app/__init__.py": "def used():\n    return 1\n\n\ndef unused():\n    return 2\n",
    "tests/test_a.py": "import app\ndef test_a(): assert app.used() == 1\n",
}


def test_coverage_of_the_projects_sources_is_measured(tmp_path: Path) -> None:
    gate = TestSuiteGate("unit-tests", ("tests",), ("app",), minimum_coverage=80)
    report = judge(tmp_path, COVERED, gate)
    assert report.facts["coverage_percent"] == 75.0
    assert [(one.id, one.severity) for one in report.findings] == [("coverage", Severity.HIGH)]
    assert not list((tmp_path / "tree").glob(".coverage*"))


def test_coverage_that_could_not_be_measured_is_not_enough(tmp_path: Path) -> None:
    gate = TestSuiteGate("unit-tests", ("tests",), ("absent",), minimum_coverage=0)
    report = judge(tmp_path, CLEAN, gate)
    assert report.unjudged == "coverage not measured"
    assert report.facts["coverage"] == "not measured: no source file was executed"


def test_missing_pytest_is_an_error_with_what_to_type(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    (bare / "bin").mkdir(parents=True)
    (bare / "bin" / "python").symlink_to(REAL.resolve())
    (bare / "pyvenv.cfg").write_text(f"home = {REAL.resolve().parent}\n")
    task = replace(task_of(tmp_path, CLEAN), python=bare / "bin" / "python")
    for ask in (UNIT.tool, UNIT.judge):
        with pytest.raises(GateError, match="tool missing: pytest in") as caught:
            ask(task)
        assert "pip install pytest" in caught.value.hint
    with pytest.raises(GateError, match="no Python environment"):
        UNIT.judge(replace(task, python=None))


def test_tool_tells_apart_whatever_changes_what_is_judged(tmp_path: Path) -> None:
    task = task_of(tmp_path, CLEAN)
    gates = [
        TestSuiteGate("unit-tests", ("tests",)),
        TestSuiteGate("unit-tests", ("tests", "more")),
        TestSuiteGate("unit-tests", ("tests",), ("app",)),
        TestSuiteGate("unit-tests", ("tests",), (), ("-x",)),
        TestSuiteGate("unit-tests", ("tests",), minimum_coverage=1.0),
    ]
    tools = [gate.tool(task) for gate in gates]
    assert len({tool.sha256 for tool in tools}) == len(gates)
    assert tools[0].version == pytest.__version__ and tools[0].configuration["environment"]


@pytest.mark.parametrize(
    ("path", "read"),
    [("README.md", False), ("docs/a/b.html", False), ("LICENSE", False), ("a/b.rst", False)]
    + [("docs/conf.py", True), ("LICENSE.py", True), ("a.py", True), ("data/x.csv", True)]
    + [("requirements.txt", True), ("Makefile", True), ("tests/LICENSE", True)],
)
def test_documentation_runs_no_test_again_and_code_does(path: str, read: bool) -> None:
    assert UNIT.reads(path) is read
    assert not UNIT.configures(path)
