"""A run of pytest in the project's environment, and what can be believed of it.

1. Pytest is imported before the checkout is on the path: a ``pytest.py`` there is not taken for it.
2. Variables that change what pytest or coverage does are taken out of the environment.
3. The report, and an account of how many tests were collected, dropped and brought to their end,
   are written to a directory that was made for this run.
4. Exit code, report and account have to agree. No report, a test that ends the process, a run that
   stops early, nothing collected, everything skipped: could not be judged.

What cannot be prevented: tests, ``conftest.py`` and what they import run in the process that says
how they went. Code that means to can change outcomes before they are reported, write report and
account itself, or end the process as if all were well. So the result is bound to all of these
files, and is worth as much as their review. A lie by accident, or by half, is noticed.
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
from security.gates.tool.python_environment import PythonEnvironment, environment_of
from security.gates.tool.test_run.written_json import as_number, load_json
from security.gates.tool.tool_process import ToolCommand, ToolExit, run_tool

_STEERING = ("PYTEST_", "COV_CORE_", "COVERAGE_")
_ACCOUNT = ("exit_code", "collected", "ended", "xpassed", "deselected", "dropped")
_HINT = "run pytest in the project's environment and see what it says"
_ADD = "put tests there, or change the paths of this gate"
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
    """What to run.

    Attributes:
        paths: of tests, relative to the project's root.
        sources: packages or directories whose coverage is measured, where pytest-cov is there.
        arguments: further ones for pytest.
        minimum_coverage: percent; less is a finding, and no measure is no judgement.
    """

    paths: tuple[str, ...]
    sources: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    minimum_coverage: float | None = None

    def tool(self, task: Task) -> Tool:
        """Return pytest as it is installed in the project's environment.

        Raises:
            GateError: it is not, or there is no environment.
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
        """Run the tests; each that fails is a finding.

        Raises:
            GateError: none ran, or what is said of them cannot be believed.
        """
        environment = environment_of(task)
        _require_pytest(environment)
        missing = [path for path in self.paths if not (task.directory / path).exists()]
        if missing or not self.paths:
            said = printable(", ".join(missing)) or "no path is set"
            raise GateError(f"no tests: {said}", _ADD)
        scratch = Path(tempfile.mkdtemp(prefix="tests-", dir=task.scratch))
        (scratch / "tmp").mkdir()
        measured = bool(self.sources) and environment.version_of("pytest-cov") is not None
        arguments = (str(task.python), "-c", _SCRIPT, *self._arguments(scratch, measured))
        variables = {**project_variables(task, scratch / "tmp"), "COVERAGE_FILE": f"{scratch}/data"}
        command = ToolCommand(arguments, task.directory, variables, task.timeout, task.denied)
        return self._read(scratch, run_tool(command), measured)

    def _arguments(self, scratch: Path, measured: bool) -> tuple[str, ...]:
        """Return the account's path and pytest's arguments; the last of these wins."""
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

    def _read(self, scratch: Path, ended: ToolExit, measured: bool) -> Report:
        """Step 4: believe what agrees."""
        try:
            report = load_report(scratch / "junit.xml", pytest=True)
        except GateError as error:
            why = f"{error.message}; exit code {ended.exit_code}: {_tail(ended)}"
            raise GateError(why, _HINT) from error
        if not report.cases:
            raise GateError(f"no tests were collected in {', '.join(self.paths)}", _ADD)
        account = _load_account(scratch / "account.json")
        judged = len(report.cases) - report.count(JunitStatus.SKIPPED) + report.xfailed
        doubts = [*_contradictions(report, ended, account)]
        if not judged:
            doubts.append(f"all {len(report.cases)} tests were skipped")
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
            doubts.append("coverage was not measured")
            return ()
        if percent >= self.minimum_coverage:
            return ()
        message = f"coverage is {percent:.2f} %, less than {self.minimum_coverage:g} %"
        return (Finding("coverage", message, Severity.HIGH),)


def project_variables(task: Task, temporary: Path) -> dict[str, str]:
    """Return the environment of a project's tool: its interpreter first on the path.

    Args:
        temporary: where it puts temporary files.
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
        hint = "pip install pytest there, or set another interpreter: gates.python"
        raise GateError(f"no pytest in {printable(environment.prefix)}", hint)
    return version


def _load_account(path: Path) -> Mapping[str, int]:
    """Return the account of a run; it is empty if there is none that can be read."""
    try:
        document = load_json(path)
        return {name: int(document[name]) for name in _ACCOUNT}
    except (GateError, ValueError, TypeError, KeyError, OverflowError):
        return {}


def _contradictions(report: JunitReport, ended: ToolExit, account: Mapping[str, int]) -> list[str]:
    """Say what does not agree, or was not run.

    Raises:
        GateError: no test that failed would be left to report.
    """
    doubts = []
    bad = [case for case in report.cases if case.bad]
    uncollected = [case for case in bad if case.message == "collection failure"]
    if uncollected:
        doubts.append(f"{len(uncollected)} not collected: {_explain(uncollected[0])}")
    if ended.exit_code not in (0, 1) or (ended.exit_code == 1) != bool(bad):
        doubts.append(f"exit code {ended.exit_code} with {len(bad)} failed tests: {_tail(ended)}")
    if account.get("exit_code") != ended.exit_code:
        doubts.append("the process was ended by what ran in it")
    elif account["ended"] < account["collected"]:
        doubts.append(f"{account['ended']} of {account['collected']} tests came to their end")
    if account.get("dropped"):
        doubts.append(f"{account['dropped']} tests were collected and dropped without a word")
    if doubts and len(bad) == len(uncollected):
        raise GateError("; ".join(doubts), _HINT)
    return doubts


def _explain(case: JunitCase) -> str:
    """Say why a file of tests could not be collected: the last line of its traceback."""
    lines = [line[1:].strip() for line in case.detail.splitlines() if line.startswith("E ")]
    return printable(f"{case.test}: {lines[-1] if lines else case.message}")


def _tail(ended: ToolExit) -> str:
    text = ended.errors if ended.errors.strip() else ended.output.decode("utf-8", "replace")
    return printable(next(iter(text.strip().splitlines()[-1:]), "nothing was said"))


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
    """Return the percentage that coverage.py reports; None if there is no such report."""
    try:
        percent = as_number(load_json(path)["totals"]["percent_covered"])
    except (GateError, KeyError, TypeError):
        return None
    return round(percent, 2) if percent is not None and 0 <= percent <= 100 else None


def _coverage_fact(percent: float | None, measured: bool) -> dict[str, str | float]:
    if percent is not None:
        return {"coverage_percent": percent}
    why = "no source was run" if measured else "pytest-cov is not installed"
    return {"coverage": f"not measured: {why}"}
