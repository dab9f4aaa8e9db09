"""A run of pytest in the project's environment, and the checks of its report.

1. Pytest is imported before the checkout is on the path: a ``pytest.py`` there does not replace it.
2. Environment variables that change what pytest or coverage.py does are removed.
3. The report and an account (how many tests were collected, dropped and completed) are written to a
   new directory of this run.
4. Exit code, report and account must agree. A missing report, a test that ends the process, a run
   that stops early, no collected test, and only tests that are skipped or expected to fail are
   errors.

What cannot be prevented: tests, ``conftest.py`` and the code that they import run in the process
that reports on them. Hostile code can change how tests end, write report and account itself, or end
the process with exit code 0. So the result is bound to all of these files, and is only worth as
much as their review. Steps 3 and 4 detect accidents and incomplete manipulation.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.interface import GateError, Json, Report, Task, Tool
from security.gates.tool.junit_report import JunitCase, JunitReport, JunitStatus, load_report
from security.gates.tool.python_environment import PythonEnvironment, environment_of, tool_missing
from security.gates.tool.test_run.json_report import as_number, load_json
from security.gates.tool.tool_process import ToolCommand, ToolExit, run_tool

_STEERING = ("PYTEST_", "COV_CORE_", "COVERAGE_")
_ACCOUNT = ("exit_code", "collected", "ended", "xpassed", "deselected", "dropped")
_HINT = "run pytest in the project's environment to see its output"
_ADD = "add tests there, or change the setting paths of this gate"
_SCRIPT = """
import sys
sys.path[:] = [path for path in sys.path if path]
import json, os, pytest

class Account:
    def __init__(self):
        self.seen, self.kept, self.told = set(), set(), set()
        self.collected = self.ended = self.xpassed = 0

    def pytest_itemcollected(self, item):
        self.seen.add(item.nodeid)

    def pytest_deselected(self, items):
        self.told.update(item.nodeid for item in items)

    def pytest_collection_finish(self, session):
        self.kept.update(item.nodeid for item in session.items)
        self.collected = len(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node, ids):
        self.collected = len(ids)

    def pytest_runtest_logreport(self, report):
        self.xpassed += report.passed and report.when == "call" and hasattr(report, "wasxfail")

    def pytest_runtest_logfinish(self):
        self.ended += 1

    def close(self, code):
        dropped, deselected = len(self.seen - self.kept - self.told), len(self.told)
        return {"exit_code": code, "collected": self.collected, "ended": self.ended,
                "xpassed": self.xpassed, "deselected": deselected, "dropped": dropped}

path, *arguments = sys.argv[1:]
sys.argv[:] = ["pytest", *arguments]
sys.path.insert(0, os.getcwd())
account = Account()
code = int(pytest.main(arguments, plugins=[account]))
with open(path, "w") as stream:
    json.dump(account.close(code), stream)
sys.exit(code)
"""


@dataclass(frozen=True, slots=True)
class PytestRun:
    """The settings of a run.

    Attributes:
        paths: of tests, relative to the project's root.
        sources: packages or directories to measure coverage of, if pytest-cov is installed.
        arguments: more arguments for pytest.
        minimum_coverage: percent; less is a finding, and coverage not measured is an error.
    """

    paths: tuple[str, ...]
    sources: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    minimum_coverage: float | None = None

    def tool(self, task: Task) -> Tool:
        """Return the pytest of the project's environment.

        Raises:
            GateError: pytest is not installed there, or the project has no environment.
        """
        environment = environment_of(task)
        options: dict[str, Json] = {
            "paths": list(self.paths),
            "sources": list(self.sources),
            "arguments": list(self.arguments),
            "minimum_coverage": self.minimum_coverage,
            "environment": environment.sha256,
        }
        return Tool("pytest", _require_pytest(environment), options)

    def judge(self, task: Task) -> Report:
        """Run the tests and report each that fails.

        Raises:
            GateError: no test ran, or exit code, report and account contradict each other.
        """
        environment = environment_of(task)
        _require_pytest(environment)
        missing = [path for path in self.paths if not (task.directory / path).exists()]
        if missing or not self.paths:
            shown = printable(", ".join(missing)) or "no path is set"
            raise GateError(f"no tests: {shown}", _ADD)
        scratch = Path(tempfile.mkdtemp(prefix="tests-", dir=task.scratch))
        (scratch / "tmp").mkdir()
        measured = bool(self.sources) and environment.version_of("pytest-cov") is not None
        arguments = (str(task.python), "-c", _SCRIPT, *self._arguments(scratch, measured))
        variables = {**project_variables(task, scratch / "tmp"), "COVERAGE_FILE": f"{scratch}/data"}
        command = ToolCommand(arguments, task.directory, variables, task.timeout, task.view)
        return self._read_report(scratch, run_tool(command), measured)

    def _arguments(self, scratch: Path, measured: bool) -> tuple[str, ...]:
        """Return the path of the account, then pytest's arguments; a later one overrides."""
        ours = (
            f"--junit-xml={scratch / 'junit.xml'}",
            *("-o", "junit_family=xunit1", "-o", "junit_logging=no", "-p", "no:cacheprovider"),
            *("--tb=short", "--color=no", f"--basetemp={scratch / 'tmp' / 'pytest'}"),
        )
        coverage = (
            *(f"--cov={source}" for source in self.sources),
            *(f"--cov-report=json:{scratch / 'coverage.json'}", "--cov-fail-under=0"),
        )
        return (
            str(scratch / "account.json"),
            *self.paths,
            *self.arguments,
            *ours,
            *(coverage if measured else ()),
        )

    def _read_report(self, scratch: Path, ended: ToolExit, measured: bool) -> Report:
        """Step 4: compare report, account and exit code."""
        try:
            report = load_report(scratch / "junit.xml", pytest=True)
        except GateError as error:
            why = f"{error.message}; exit code {ended.exit_code}: {ended.last_lines()}"
            raise GateError(why, _HINT) from error
        if not report.cases:
            raise GateError(f"no tests collected in: {', '.join(self.paths)}", _ADD)
        account = _load_account(scratch / "account.json")
        finished = len(report.cases) - report.count(JunitStatus.SKIPPED)
        decided = finished > account.get("xpassed", 0)  # by a test that may fail
        judged = finished + report.xfailed if decided else 0
        doubts = [*_contradictions(report, ended, account)]
        if not judged:
            doubts.append(f"all {len(report.cases)} tests were skipped or expected to fail")
        facts = {**_count(report), **_shown(account)}
        findings = report.findings()
        if self.sources:
            percent = _load_coverage(scratch / "coverage.json") if measured else None
            facts |= _coverage_fact(percent, measured)
            findings += self._judge_coverage(percent, doubts)
        return Report(findings, judged, "; ".join(doubts) or None, facts)

    def _judge_coverage(self, percent: float | None, doubts: list[str]) -> tuple[Finding, ...]:
        if self.minimum_coverage is None:
            return ()
        if percent is None:
            doubts.append("coverage not measured")
            return ()
        if percent >= self.minimum_coverage:
            return ()
        message = f"coverage is {percent:.2f} %, less than {self.minimum_coverage:g} %"
        return (Finding("coverage", message, Severity.HIGH),)


def project_variables(task: Task, temporary: Path) -> dict[str, str]:
    """Return the variables of a tool of the project, with its environment first on the PATH.

    Args:
        temporary: the directory for temporary files.
    """
    kept = {name: value for name, value in task.environment.items() if not _steers(name)}
    path = task.environment.get("PATH", os.defpath)
    first = f"{task.python.parent}{os.pathsep}" if task.python is not None else ""
    return {**kept, "PATH": f"{first}{path}", "TMPDIR": str(temporary)}


def _steers(name: str) -> bool:
    return name.startswith(_STEERING)  # step 2


def _require_pytest(environment: PythonEnvironment) -> str:
    version = environment.version_of("pytest")
    if version is None:
        raise tool_missing("pytest", environment)
    return version


def _load_account(path: Path) -> Mapping[str, int]:
    """Return the account of a run; empty if it is missing or unreadable."""
    try:
        document = load_json(path)
        return {name: int(document[name]) for name in _ACCOUNT}
    except (GateError, ValueError, TypeError, KeyError, OverflowError):
        return {}


def _contradictions(report: JunitReport, ended: ToolExit, account: Mapping[str, int]) -> list[str]:
    """Return contradictions, and the tests that did not run.

    Raises:
        GateError: there are contradictions, and no failed test to report.
    """
    doubts = []
    bad = [case for case in report.cases if case.bad]
    uncollected = [case for case in bad if case.message == "collection failure"]
    if uncollected:
        doubts.append(f"{len(uncollected)} files not collected: {_explain(uncollected[0])}")
    if ended.exit_code not in (0, 1) or (ended.exit_code == 1) != bool(bad):
        what = f"exit code {ended.exit_code} with {len(bad)} failed tests"
        doubts.append(f"{what}: {ended.last_lines()}")
    if account.get("exit_code") != ended.exit_code:
        doubts.append("a test or plugin ended the pytest process")
    elif account["ended"] < account["collected"]:
        doubts.append(f"{account['ended']} of {account['collected']} tests completed")
    if account.get("dropped"):
        doubts.append(f"{account['dropped']} collected tests dropped without being deselected")
    if doubts and len(bad) == len(uncollected):
        raise GateError("; ".join(doubts), _HINT)
    return doubts


def _explain(case: JunitCase) -> str:
    """Say why a test file could not be collected: the last line of its traceback."""
    lines = [line[1:].strip() for line in case.detail.splitlines() if line.startswith("E ")]
    return printable(f"{case.test}: {lines[-1] if lines else case.message}")


def _count(report: JunitReport) -> dict[str, str | int | float]:
    return {
        "tests": len(report.cases),
        "passed": report.count(JunitStatus.PASSED),
        "failed": report.count(JunitStatus.FAILED),
        "errors": report.count(JunitStatus.ERROR),
        "skipped": report.count(JunitStatus.SKIPPED) - report.xfailed,
        "xfailed": report.xfailed,
    }


def _shown(account: Mapping[str, int]) -> dict[str, int]:
    return {name: account.get(name, 0) for name in ("xpassed", "deselected")}


def _load_coverage(path: Path) -> float | None:
    """Return the percentage that coverage.py reports; None if its report is unreadable."""
    try:
        percent = as_number(load_json(path)["totals"]["percent_covered"])
    except (GateError, KeyError, TypeError):
        return None
    return round(percent, 2) if percent is not None and 0 <= percent <= 100 else None


def _coverage_fact(percent: float | None, measured: bool) -> dict[str, str | float]:
    if percent is not None:
        return {"coverage_percent": percent}
    why = "no source file was executed" if measured else "pytest-cov is not installed"
    return {"coverage": f"not measured: {why}"}
