"""Tests where people have them: each is run by a gate, or named; no script is taken for one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from security.gates.code.test_suite import Discovery, TestSuiteGate
from security.gates.interface import NOTE, GateError, Report
from security.gates.python.test_files import PytestSettings, find_tests, load_settings
from tests.unit.security.gates.gate_tasks import build_task, write_file

pytestmark = pytest.mark.process

FAILS = "def test_a():\n    assert 0\n"
PASSES = "def test_b():\n    pass\n"
UNITTEST = (
    "import unittest\nclass Box(unittest.TestCase):\n    def test_x(self):\n        self.fail()\n"
)
QUICK = ("--disable-plugin-autoload",)
OTHERS = ("tests/integration", "tests/model_tests")


def gate_of(
    root: Path,
    paths: tuple[str, ...] = (),
    run: tuple[str, ...] = (),
    protected: tuple[str, ...] = (),
) -> TestSuiteGate:
    found = Discovery(root, lambda: run, OTHERS, lambda: protected)
    return TestSuiteGate("unit-tests", paths, arguments=QUICK, discovery=found)


def judge(directory: Path, files: dict[str, str], paths: tuple[str, ...] = ()) -> Report:
    gate = gate_of(directory / "tree", paths)
    task = build_task(directory, gate, dict(files), python=Path(sys.executable))
    assert gate.applies(task.files)
    return gate.judge(task)


def find_in(root: Path, files: dict[str, str], *run: str) -> list[str]:
    for path, text in files.items():
        write_file(root / path, text)
    return find_tests(root, sorted(files), run, load_settings(root))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tests/test_model.py", FAILS),
        ("test/model_test.py", FAILS),
        ("src/pkg/test_near.py", FAILS),
        ("test_top.py", FAILS),
        ("tests/unit_tests/deep/test_x.py", FAILS),
        ("tests/test_case.py", UNITTEST),
        ("tests/tests.py", UNITTEST),
        ("pkg/testing_box.py", UNITTEST),
        ("tests/test_class.py", "class TestBox:\n    def test_x(self): assert 0\n"),
        ("tests/test_async.py", "async def test_x(): pass\n"),
        ("tests/test_if.py", "try:\n    import x\nexcept ImportError:\n    def test_a(): pass\n"),
        ("tests/test_broken.py", "def test_a(:\n"),
    ],
)
def test_file_with_tests_is_found(tmp_path: Path, path: str, text: str) -> None:
    assert find_in(tmp_path, {path: text}) == [path]


@pytest.mark.parametrize(
    ("path", "text", "run"),
    [
        ("src/test_model.py", "import sys\nprint(sys.argv)\n", ()),
        ("src/test_model.py", "def test_loop(model):\n    pass\n", ("src/test_model.py",)),
        ("src/test_mnist.py", "def test(model, device):\n    pass\n", ()),
        ("src/testdata.py", "class Data:\n    def test(self): pass\n", ()),
        ("tests/conftest.py", "def test_data(): pass\n", ()),
        ("tests/data.txt", FAILS, ()),
    ],
)
def test_script_is_no_test(tmp_path: Path, path: str, text: str, run: tuple[str, ...]) -> None:
    assert find_in(tmp_path, {path: text}, *run) == []


def test_stage_that_runs_a_test_does_not_take_it_from_the_gate(tmp_path: Path) -> None:
    assert find_in(tmp_path, {"tests/test_a.py": FAILS}, "tests/test_a.py") == ["tests/test_a.py"]


def test_tests_of_all_places_are_run(tmp_path: Path) -> None:
    files = {
        "tests/test_model.py": FAILS,
        "src/pkg/test_near.py": PASSES,
        "test/case_test.py": UNITTEST,
        "tests/integration/test_slow.py": "def test_slow(): assert 0\n",
        "tests/model_tests/test_m.py": "def test_m(): assert 0\n",
    }
    report = judge(tmp_path, files)
    assert sorted(one.path.rpartition("/")[2].partition(":")[0] for one in report.findings) == [
        "case_test.py",
        "test_model.py",
    ]
    assert report.judged == 3 and report.unjudged is None and NOTE not in report.facts


def test_settings_of_pytest_decide_where_to_look(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = ['checks']\n"
        "python_files = 'check_*.py'\n",
        "checks/check_a.py": FAILS,
        "tests/test_b.py": PASSES,
    }
    report = judge(tmp_path, files)
    assert [one.path.partition(":")[0] for one in report.findings] == ["checks/check_a.py"]
    assert report.facts[NOTE] == "no gate runs: tests/test_b.py"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\ntestpaths = a b\n"),
        ("tox.ini", "[pytest]\ntestpaths =\n    a\n    b\n"),
        ("setup.cfg", "[tool:pytest]\ntestpaths = a b\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\ntestpaths = ["a", "b"]\n'),
    ],
)
def test_settings_are_read_as_pytest_reads_them(tmp_path: Path, name: str, text: str) -> None:
    write_file(tmp_path / name, text)
    assert load_settings(tmp_path) == PytestSettings(("a", "b"), ())
    write_file(tmp_path / name, "[")
    assert load_settings(tmp_path) == PytestSettings()


def test_other_names_of_tests_are_taken_as_pytest_takes_them(tmp_path: Path) -> None:
    files = {"pytest.ini": "[pytest]\npython_functions = check_*\n", "tests/test_a.py": "x = 1\n"}
    assert find_in(tmp_path, files) == ["tests/test_a.py"]


def test_deselected_tests_are_told(tmp_path: Path) -> None:
    files = {"pytest.ini": "[pytest]\naddopts = -k test_b\n", "tests/test_a.py": FAILS + PASSES}
    assert judge(tmp_path, files).facts[NOTE] == "deselected tests: 1"


def test_tests_that_no_gate_runs_are_named(tmp_path: Path) -> None:
    files = {"tests/unit/test_a.py": PASSES, "tests/integration/test_i.py": FAILS}
    files |= {f"tests/e2e/test_{name}.py": FAILS for name in "abcd"}
    report = judge(tmp_path, files, ("tests/unit",))
    assert report.findings == () and report.judged == 1
    said = "tests/e2e/test_a.py, tests/e2e/test_b.py, tests/e2e/test_c.py and 1 more"
    assert report.facts[NOTE] == f"no gate runs: {said}"


def test_deleted_tests_are_an_error(tmp_path: Path) -> None:
    gate = gate_of(tmp_path / "tree", protected=("tests/test_a.py", "a.py"))
    assert gate.applies(["a.py"])
    with pytest.raises(GateError, match="no tests"):
        gate.judge(build_task(tmp_path, gate, {"a.py": ""}, python=Path(sys.executable)))
    others = ("tests/integration/test_i.py", "src/test_model.py")
    assert not gate_of(tmp_path / "tree", protected=others).applies(["a.py"])


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\npytestmark = pytest.mark.xfail\ndef test_a(): assert 0\n",
        "import pytest\npytestmark = pytest.mark.xfail\ndef test_a(): pass\n"
        "def test_b(): assert 0\n",
        "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n"
        "@pytest.mark.xfail\ndef test_b(): 1/0\n",
        "import unittest\nclass A(unittest.TestCase):\n    @unittest.expectedFailure\n"
        "    def test_a(self): self.fail()\n",
    ],
)
def test_tests_that_cannot_fail_are_no_pass(tmp_path: Path, text: str) -> None:
    report = judge(tmp_path, {"tests/test_a.py": text})
    assert report.judged == 0 and "skipped or expected to fail" in (report.unjudged or "")


def test_unreadable_file_may_have_tests(tmp_path: Path) -> None:
    path = "tests/test_gone.py"
    assert find_tests(tmp_path, [path], (), PytestSettings()) == [path]
