"""A scan of bandit: its settings, its run and its report.

1. Bandit gets a configuration file that we write. It holds the options of ``[tool.bandit]`` and
   ``.bandit`` on the protected branch that select tests, configure tests and exclude files. The
   directories that bandit excludes by default are not excluded: every file that Git tracks is
   source, also in ``.tox/``.
2. Bandit finds files by their suffix. Scripts without one are named in its settings.
3. Code that comes from another file is reported there.
"""

from __future__ import annotations

import configparser
import glob
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from posixpath import normpath
from typing import Any

from security.content.printable import printable
from security.finding import Confidence, Finding, Severity
from security.gates.interface import GateError, Task
from security.gates.python.extract import Extract
from security.gates.tool.file_copies import unwritable_scratch
from security.gates.tool.own_tools import own_module, run_linter

PYPROJECT, INI = "pyproject.toml", ".bandit"
OPTIONS = ("--quiet", "--recursive", "--format=json", "--number=1")
HINT = "run bandit -r . in the project to see its output"
# The gate sets these itself: which files bandit scans, and where and how it reports.
_SUFFIXES = ("*.[pP][yY]", "*.[pP][yY][wW]")
_OURS = ("exclude_dirs", "include", "log_format", "plugin_name_pattern", "targets")
_CRASH = "Bandit internal error running"
_MOST_REPORT = 512 << 20


@dataclass(frozen=True, slots=True)
class BanditSettings:
    """Settings of the protected branch: options for bandit, and patterns of excluded files."""

    bandit: Mapping[str, Any]
    arguments: tuple[str, ...]
    excluded: tuple[str, ...]

    def excludes(self, path: str) -> bool:
        """Say whether a file is excluded, by bandit's rule: a pattern, or a part of the path."""
        shown = f"./{path}"
        return any(fnmatch(shown, pattern) or pattern in shown for pattern in self.excluded)

    def with_scripts(self, paths: Sequence[str]) -> BanditSettings:
        """Return settings that include files without a suffix of Python."""  # 2
        patterns = [glob.escape(f"./{path}") for path in paths]
        return replace(self, bandit={**self.bandit, "include": [*_SUFFIXES, *patterns]})


@dataclass(frozen=True, slots=True)
class BanditReport:
    """A report of bandit.

    Attributes:
        findings: each with the text that identifies it in a baseline.
        scanned: the files that bandit scanned.
        failed: why bandit could not scan a file, by path.
        crashes: how many tests of bandit crashed.
    """

    findings: tuple[tuple[Finding, str], ...]
    scanned: frozenset[str]
    failed: Mapping[str, str]
    crashes: int


def load_settings(directory: Path) -> BanditSettings:
    try:
        path = directory / PYPROJECT
        document = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        pyproject = dict(document.get("tool", {}).get("bandit", {}))
        return _translate(pyproject, _load_ini(directory / INI), directory)
    except (OSError, ValueError, TypeError, AttributeError, configparser.Error) as error:
        message = f"unreadable configuration of bandit: {printable(str(error))}"
        hint = f"correct [tool.bandit] in {PYPROJECT}, or {INI}, on the protected branch"
        raise GateError(message, hint) from error


def _load_ini(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    parser = configparser.ConfigParser()
    parser.read_string(path.read_text("utf-8"))
    return dict(parser["bandit"]) if parser.has_section("bandit") else {}


def _translate(
    pyproject: Mapping[str, Any], ini: Mapping[str, str], directory: Path
) -> BanditSettings:
    """Step 1: keep the options that select tests, configure tests or exclude files."""
    excluded = list(pyproject.get("exclude_dirs") or ())
    for path in filter(None, ini.get("exclude", "").split(",")):
        excluded.append(os.path.join(path, "*") if (directory / path).is_dir() else path)
    if not all(isinstance(pattern, str) for pattern in excluded):
        raise ValueError("exclude_dirs is not a list of strings")
    bandit = {key: value for key, value in pyproject.items() if key not in _OURS}
    # The private copy also holds configuration files, which are not source.
    bandit |= {"include": list(_SUFFIXES), "exclude_dirs": excluded}
    selected = [f"--{key}={ini[key]}" for key in ("tests", "profile") if ini.get(key)]
    selected += [f"--skip={ini['skips']}"] if ini.get("skips") else []
    return BanditSettings(bandit, tuple(selected), tuple(excluded))


def run_bandit(
    task: Task,
    settings: BanditSettings,
    name: str,
    arguments: Sequence[str],
    extracts: Mapping[str, Extract],
) -> BanditReport:
    """Run bandit, which writes its report to a file and its log to standard error."""
    names = (f"{name}.json", "bandit.yaml", "bandit.ini")
    report, configuration, ini = (task.scratch / one for one in names)
    try:
        ini.write_text("[bandit]\n")  # otherwise bandit searches the tree for a .bandit file
        configuration.write_text(json.dumps(settings.bandit))
    except (TypeError, ValueError) as error:
        message = f"unreadable configuration of bandit: {printable(str(error))}"
        raise GateError(message, f"correct [tool.bandit] in {PYPROJECT}") from error
    except OSError as error:
        raise unwritable_scratch(error) from error
    files = (f"--output={report}", f"--configfile={configuration}", f"--ini={ini}", "--exclude=")
    bandit = own_module("bandit", *OPTIONS, *files, *settings.arguments, *arguments)
    ended = run_linter(task, bandit, task.directory)
    if not report.is_file() or not report.stat().st_size:
        why = f"exit code {ended.exit_code}: {ended.last_lines()}"
        raise GateError(f"bandit wrote no report, {why}", HINT)
    values = load_json(report)
    _rename(values, extracts)
    scan = _parse_report(values, ended.errors.count(_CRASH))
    if ended.exit_code != bool(scan.findings):
        why = f"exit code {ended.exit_code} with {len(scan.findings)} findings"
        raise GateError(f"bandit contradicts its report: {why}", HINT)
    return scan


def _rename(values: Any, extracts: Mapping[str, Extract]) -> None:
    """Step 3: name the file that the code of an extract comes from."""
    if not isinstance(values, dict) or not extracts:
        return
    for one in (*values.get("results", ()), *values.get("errors", ())):
        extract = extracts.get(normpath(str(one.get("filename"))))
        if extract is not None:
            place = extract.place(int(one.get("line_number", 0)))
            renamed = {"filename": extract.path, "line_number": 0, "col_offset": -1}
            one |= renamed | {"issue_text": f"{place}: {one.get('issue_text')}"}
    metrics = values.get("metrics", {})
    for name in [name for name in metrics if normpath(name) in extracts]:
        metrics[extracts[normpath(name)].path] = metrics.pop(name)


def _parse_report(values: Any, crashes: int) -> BanditReport:
    try:
        failed = {normpath(one["filename"]): str(one["reason"]) for one in values["errors"]}
        scanned = frozenset(map(normpath, values["metrics"].keys() - {"_totals"}))
        return BanditReport(parse_results(values), scanned, failed, crashes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GateError(f"unreadable report of bandit: {printable(repr(error))}", HINT) from error


def load_json(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return json.loads(file.read(_MOST_REPORT))
    except (OSError, ValueError, RecursionError) as error:
        raise GateError(f"unreadable JSON: {path.name}: {printable(str(error))}", HINT) from error


def parse_results(values: Any) -> tuple[tuple[Finding, str], ...]:
    return tuple((_build_finding(one), _identify(one)) for one in values["results"])


def _build_finding(one: Mapping[str, Any]) -> Finding:
    severity, confidence = one["issue_severity"].lower(), one["issue_confidence"].lower()
    return Finding(
        id=str(one["test_id"]),
        message=str(one["issue_text"]),
        severity=None if severity == "undefined" else Severity(severity),
        confidence=None if confidence == "undefined" else Confidence(confidence),
        path=normpath(one["filename"]),
        line=int(one["line_number"]) or None,
        column=int(one.get("col_offset", -1)) + 1 or None,
        aliases=(str(one["test_name"]),),
    )


def _identify(one: Mapping[str, Any]) -> str:
    """Return what bandit compares with a baseline; line numbers move, so they do not count."""
    names = ("test_id", "test_name", "issue_text", "issue_severity", "issue_confidence")
    return json.dumps([normpath(one["filename"]), *(one[name] for name in names)])
