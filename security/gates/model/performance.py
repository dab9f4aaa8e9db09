"""The gate ``performance``: latency, throughput, memory and size of a model on this machine.

The project's own performance test measures. Its command gets the path of the model and the path to
write the report to:
``{"verdict": "passed" | "failed", "metrics": {name: number}, "failures": [text]}``.

1. The report and the exit code must agree: 0 with ``passed`` and no failures, or 1 with ``failed``.
2. The report must hold at least one metric, and every metric must be a finite number.
3. The bounds of the settings apply in addition to those of the project's test.
"""

from __future__ import annotations

import math
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.context import GateContext
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.settings import Performance, PerformanceBounds
from security.gates.tool.python_environment import environment_of
from security.gates.tool.test_run import (
    DOCUMENTATION,
    as_number,
    load_json,
    may_be_read,
    project_variables,
)
from security.gates.tool.tool_process import ToolCommand, ToolExit, run_tool

#: The script of the default command.
_SCRIPT = "scripts/performance_tests.py"

_EXIT_CODES = {"passed": 0, "failed": 1}
_HINT = "run the performance test by hand to see its output"


@dataclass(frozen=True, slots=True)
class PerformanceGate:
    """Run the performance test of the project for a model.

    Attributes:
        command: runs in the project's root; ``{model}`` and ``{report}`` are replaced by paths.
        starter: the shell and its options; None starts the program without a shell.
        machine: a name for the machine, because results of another machine do not count.
        most: upper bounds, by metric.
        least: lower bounds, by metric.
        timeout: seconds; None takes the timeout of the task.
        ignores: patterns of source files that the test does not read; code is always read.
    """

    command: str = Performance.command
    starter: tuple[str, ...] | None = ("/bin/sh", "-c")
    machine: str = ""
    most: Mapping[str, float] = field(default_factory=dict)
    least: Mapping[str, float] = field(default_factory=dict)
    timeout: float | None = None
    ignores: tuple[str, ...] = DOCUMENTATION
    name: str = field(default="performance", init=False)
    kind: Kind = field(default=Kind.MODEL, init=False)
    place: Place = field(default=Place.CHECKOUT, init=False)

    @classmethod
    def from_context(cls, context: GateContext) -> PerformanceGate:
        """Build the gate from its settings and those of the performance test."""
        test, bounds = context.project.performance, context.settings(PerformanceBounds)
        return cls(
            command=test.command,
            starter=context.project.shell,
            machine=context.project.machine,
            most=bounds.most,
            least=bounds.least,
            timeout=test.timeout,
        )

    @classmethod
    def has_subject(cls, context: GateContext, subject: str) -> bool:
        """Return whether a subject is the model that the performance test measures.

        It is the model of the settings, else the only declared model, if the test's script exists.
        """
        test = context.project.performance
        if test.model is not None:
            return subject == test.model
        if test.command == Performance.command and not context.project.has_file(_SCRIPT):
            return False
        return context.project.named_models == {subject}

    def reads(self, path: str) -> bool:
        """Say whether the test may read a file: anything that is not documentation."""
        return may_be_read(path, self.ignores)

    def configures(self, path: str) -> bool:
        """Return False: a commit is measured with its own test, which the result is bound to."""
        return False

    def tool(self, task: Task) -> Tool:
        """Return the command, the machine and the digest of the environment.

        Raises:
            GateError: the environment cannot be read.
        """
        options: dict[str, Json] = {
            "command": self.command,
            "starter": None if self.starter is None else list(self.starter),
            "machine": self.machine,
            "most": dict(self.most),
            "least": dict(self.least),
            "environment": environment_of(task).sha256 if task.python is not None else None,
        }
        return Tool("performance test", "1", options)

    def judge(self, task: Task) -> Report:
        """Measure, and report each failure and each metric out of bounds.

        Raises:
            GateError: the test did not complete, or its report contradicts itself.
        """
        bounds = [*self.most.values(), *self.least.values()]
        if not all(map(math.isfinite, bounds)):
            raise GateError(
                "bound that is not finite", "correct the settings of the gate performance"
            )
        scratch = Path(tempfile.mkdtemp(prefix="performance-", dir=task.scratch))
        report = scratch / "performance.json"
        variables = project_variables(task, scratch)
        arguments = self._arguments(task, report, variables["PATH"])
        seconds = self.timeout or task.timeout
        ended = run_tool(ToolCommand(arguments, task.directory, variables, seconds, task.view))
        metrics, failures = _read_report(report, ended)
        findings = [Finding("performance", text, Severity.HIGH) for text in failures]
        findings += self._judge_bounds(metrics)
        missing = sorted({*self.most, *self.least} - metrics.keys())
        unjudged = f"metrics not measured: {printable(', '.join(missing))}" if missing else None
        return Report(tuple(findings), len(metrics), unjudged, metrics)

    def _arguments(self, task: Task, report: Path, path: str) -> tuple[str, ...]:
        model = f"./{task.subject}" if task.subject.startswith("-") else task.subject
        places = {"{model}": model, "{report}": str(report)}
        if self.starter is not None:
            return (*self.starter, _fill(self.command, _quoted(places)))
        try:
            words = [_fill(word, places) for word in shlex.split(self.command)]
        except ValueError as error:
            hint = "correct the quotes in the command of the gate performance"
            raise GateError(f"unreadable command: {error}", hint) from error
        program = shutil.which(words[0], path=path) if words else None
        if program is None:
            name = printable(" ".join(words[:1]))
            raise GateError(f"tool missing: {name}", f"install {name} in the project's environment")
        return (str(task.directory / program), *words[1:])

    def _judge_bounds(self, metrics: Mapping[str, float]) -> Iterator[Finding]:
        for name in sorted(metrics):
            value, shown = metrics[name], printable(name)
            if name in self.most and value > self.most[name]:
                message = f"{shown} is {value:g}, more than {self.most[name]:g}"
                yield Finding(f"metric:{shown}", message, Severity.HIGH)
            if name in self.least and value < self.least[name]:
                message = f"{shown} is {value:g}, less than {self.least[name]:g}"
                yield Finding(f"metric:{shown}", message, Severity.HIGH)


def _quoted(places: Mapping[str, str]) -> dict[str, str]:
    return {name: shlex.quote(path) for name, path in places.items()}


def _fill(text: str, places: Mapping[str, str]) -> str:
    return re.sub(r"\{model\}|\{report\}", lambda name: places[name[0]], text)


def _read_report(path: Path, ended: ToolExit) -> tuple[dict[str, float], list[str]]:
    """Return metrics and failures of a report that agrees with the exit code.

    Raises:
        GateError: the report is missing, unreadable, or contradicts the exit code or itself.
    """
    how = f"exit code {ended.exit_code}: {ended.last_lines()}"
    try:
        document = load_json(path)
    except GateError as error:
        raise GateError(f"unreadable report: {error.message}; {how}", _HINT) from error
    if not isinstance(document, dict):
        raise GateError(f"unreadable report: not an object; {how}", _HINT)
    metrics, failures = _parse_metrics(document.get("metrics")), document.get("failures", [])
    verdict = document.get("verdict")
    if not metrics or not isinstance(failures, list) or not isinstance(verdict, str):
        raise GateError(f"unreadable report: metrics, failures or verdict; {how}", _HINT)
    expected = _EXIT_CODES.get(verdict)
    if expected is None or expected != ended.exit_code or (expected == 0 and failures):
        what = f"{printable(verdict)} with {len(failures)} failures"
        raise GateError(f"report contradicts the exit code: {what}, {how}", _HINT)
    shown = [printable(str(failure), 500) for failure in failures]
    return metrics, shown or ["the performance test failed"] * expected


def _parse_metrics(values: Any) -> dict[str, float]:
    """Return the metrics; empty if one of them is not a finite number."""
    if not isinstance(values, dict):
        return {}
    numbers = {name: as_number(value) for name, value in values.items()}
    metrics = {printable(name): value for name, value in numbers.items() if value is not None}
    return metrics if len(metrics) == len(values) else {}
