"""The gate of a command: any program that a project configures as a check.

The words of the command may hold ``{out}``, the path of the out under test, and ``{report}``, the
path to write a report to. Without ``{report}`` the report is read from standard output. No shell is
involved.

1. The program is searched on the PATH, only in directories with absolute names, and first in the
   project's environment. A program with a ``/`` in its name is a file of the source tree that the
   gate reads.
2. A file of the source tree that is a word of the command is configuration, so the branch under
   test cannot change its own check.
3. Output ``exit-code``: 0 is no finding, 1 is one finding, any other code is an error.
4. Output ``sarif`` or ``junit``: this run must have written a readable report. Exit code 1 without
   a finding, or an exit code that is not listed in ``exit_codes``, is an error.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import shlex
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import assert_never

from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.tool.junit_report import JunitStatus, parse_report
from security.gates.tool.python_environment import environment_of
from security.gates.tool.sarif_log import parse_sarif
from security.gates.tool.tool_process import ToolCommand, ToolExit, run_tool

_MOST_REPORT = 64 << 20
_PLACEHOLDER = re.compile(r"\{(out|report)\}")


class Output(Enum):
    """Where the findings of a command come from."""

    EXIT_CODE = "exit-code"
    SARIF = "sarif"
    JUNIT = "junit"


@dataclass(frozen=True, slots=True)
class CommandGate:
    """Check a subject with a command.

    Attributes:
        command: the program and its arguments.
        reads_patterns: ``fnmatch`` patterns of the source files that the command reads; empty
            matches all. Files that the command names are always read.
        configuration: patterns of more files to read from the protected branch.
        exit_codes: exit codes of a complete check, for a tool that writes a report.
        timeout: seconds; None takes the timeout of the task.
    """

    name: str
    kind: Kind
    command: tuple[str, ...]
    reads_patterns: tuple[str, ...] = ()
    output: Output = Output.EXIT_CODE
    place: Place = Place.COPY
    configuration: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = (0, 1)
    timeout: float | None = None

    def reads(self, path: str) -> bool:
        """Say whether the command reads a file."""
        return _matches(path, self.reads_patterns or ("*",)) or self.configures(path)

    def configures(self, path: str) -> bool:
        """Say whether a file is a word of the command, or declared as configuration."""  # 2
        return path in map(_normal, self.command) or _matches(path, self.configuration)

    def tool(self, task: Task) -> Tool:
        """Return the command, with the digests of its program and of its environment.

        Raises:
            GateError: the program is missing, or ``{out}`` is missing or out of place.
        """
        self._check()
        program = self._find_program(task)
        within: dict[str, Json] = {}
        if program is not None:
            within["program"] = _digest_program(program)
            if task.python is not None and program.parent == task.python.parent:
                within["environment"] = environment_of(task).sha256
        words = "\0".join(self.command)
        version = hashlib.sha256(words.encode("utf-8", "surrogateescape")).hexdigest()
        options: dict[str, Json] = {
            "command": [printable(word, 1000) for word in self.command],
            "output": self.output.value,
            "exit codes": list(self.exit_codes),
        }
        return Tool(self.name, f"sha256:{version}", {**options, **within})

    def judge(self, task: Task) -> Report:
        """Run the command and read its findings.

        Raises:
            GateError: the check could not be completed.
        """
        self._check()
        if self.kind is Kind.SOURCE and not task.files:
            hint = f"change the setting reads of the gate {self.name}"
            raise GateError(f"no source file matches the gate: {self.name}", hint)
        report = Path(tempfile.mkdtemp(prefix="command-", dir=task.scratch)) / "report"
        ended = run_tool(
            ToolCommand(
                self._arguments(task, report),
                task.directory,
                _with_path(task),
                self.timeout or task.timeout,
                task.view,
            )
        )
        match self.output:
            case Output.EXIT_CODE:
                return self._by_exit_code(task, ended)
            case Output.SARIF:
                return self._by_sarif(task, ended, self._read_report(report, ended))
            case Output.JUNIT:
                return self._by_junit(ended, self._read_report(report, ended))
            case _:
                assert_never(self.output)

    def _check(self) -> None:
        """Refuse ``{out}`` in a check of source files, and its absence in any other."""
        names_out = any("{out}" in word for word in self.command)
        if names_out == (self.kind is Kind.SOURCE):
            if names_out:
                hint = f"remove {{out}} from the command of the gate {self.name}"
                raise GateError(f"no out in a check of source files: {self.name}", hint)
            hint = f"put {{out}} into the command of the gate {self.name}"
            raise GateError(f"command without {{out}}: {self.name}", hint)

    def _find_program(self, task: Task) -> Path | None:
        """Find the program; return None for a file of the source tree."""  # 1
        name = self.command[0]
        if "/" in name and not name.startswith("/"):
            if _normal(name) not in task.files:
                raise self._missing()
            return None
        absolute = [part for part in _path(task).split(os.pathsep) if part.startswith("/")]
        found = shutil.which(name, path=os.pathsep.join(absolute)) if absolute else None
        if found is None:
            raise self._missing()
        return Path(found)

    def _missing(self) -> GateError:
        name = printable(self.command[0])
        return GateError(
            f"tool missing: {name}",
            f"install {name}, or change the command of the gate {self.name}",
        )

    def _arguments(self, task: Task, report: Path) -> tuple[str, ...]:
        program = self._find_program(task) or task.directory / _normal(self.command[0])
        if not os.access(program, os.X_OK):
            hint = f'name an interpreter: command = ["sh", "{printable(self.command[0])}"]'
            raise GateError(f"not executable: {printable(self.command[0])}", hint)
        paths = {"out": str(task.out), "report": str(report)}
        words = (_PLACEHOLDER.sub(lambda it: paths[it[1]], word) for word in self.command[1:])
        return (str(program), *words)

    def _by_exit_code(self, task: Task, ended: ToolExit) -> Report:
        if ended.exit_code not in (0, 1):  # 3
            raise self._failure(ended, f"exit code {ended.exit_code}")
        if ended.exit_code == 0:
            return Report((), 1)
        path = task.subject if self.kind is not Kind.SOURCE else ""
        message = f"{printable(self.command[0])} exited with 1: {ended.last_lines()}"
        return Report((Finding(self.name, message, Severity.HIGH, path=path),), 1)

    def _by_sarif(self, task: Task, ended: ToolExit, data: bytes) -> Report:
        log = parse_sarif(data, task.directory)
        report = Report(log.findings, log.runs, log.unjudged, {"tools": ", ".join(log.tools)})
        return self._weigh(ended, report)

    def _by_junit(self, ended: ToolExit, data: bytes) -> Report:
        tests = parse_report(data)
        counts = {status.name.lower(): tests.count(status) for status in JunitStatus}
        ran = len(tests.cases) - counts["skipped"]
        return self._weigh(ended, Report(tests.findings(), ran, None, counts))

    def _weigh(self, ended: ToolExit, report: Report) -> Report:
        """Return the report, with the exit code taken into account."""  # 4
        loud = any(finding.silenced is None for finding in report.findings)
        if ended.exit_code in self.exit_codes and (loud or ended.exit_code == 0):
            return report
        if not report.findings:
            what = f"exit code {ended.exit_code} with a report without findings"
            raise self._failure(ended, what)
        reasons = (report.unjudged, f"unexpected exit code of {self.name}: {ended.exit_code}")
        why = "; ".join(reason for reason in reasons if reason)
        return Report(report.findings, report.judged, why, report.facts)

    def _read_report(self, report: Path, ended: ToolExit) -> bytes:
        """Return the report of this run, whose directory was empty before."""
        if not any("{report}" in word for word in self.command):
            return ended.output
        try:
            if not stat.S_ISREG(report.lstat().st_mode):
                raise self._failure(ended, "the report is not a regular file")
            with open(report, "rb") as file:
                data = file.read(_MOST_REPORT + 1)
        except OSError as error:
            what = f"unreadable report: {error.strerror}, exit code {ended.exit_code}"
            raise self._failure(ended, what) from error
        if len(data) > _MOST_REPORT:
            raise self._failure(ended, f"the report is larger than {_MOST_REPORT} bytes")
        return data

    def _failure(self, ended: ToolExit, what: str) -> GateError:
        return GateError(
            f"{self.name} could not complete: {what}: {ended.last_lines()}",
            f"run this to see its output: {printable(shlex.join(self.command), 300)}",
        )


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _normal(word: str) -> str:
    """Return a word as a path in the source tree."""
    return str(PurePosixPath(word))


def _path(task: Task) -> str:
    own = [str(task.python.parent)] if task.python is not None else []
    return os.pathsep.join([*own, task.environment.get("PATH", "")])


def _with_path(task: Task) -> Mapping[str, str]:
    return {**task.environment, "PATH": _path(task)}


def _digest_program(program: Path) -> str:
    try:
        status = program.stat()
        return _digest_file(str(program), status.st_size, status.st_mtime_ns, status.st_ino)
    except OSError as error:
        message = f"unreadable program: {printable(str(program))}: {error.strerror}"
        raise GateError(message, f"chmod +r {printable(str(program))}") from error


@lru_cache(maxsize=64)
def _digest_file(path: str, size: int, modified: int, inode: int) -> str:
    """Digest a file, once until its size, time or inode changes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
