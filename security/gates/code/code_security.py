"""The gate ``code-security``: security findings of bandit in Python files.

1. Bandit gets a configuration file that we write. It holds the options of ``[tool.bandit]`` and
   ``.bandit`` on the protected branch that select tests, configure tests and exclude files. The
   directories that bandit excludes by default are not excluded: every file that Git tracks is
   source, also in ``.tox/``.
2. Bandit runs with ``--ignore-nosec``. Files that have findings and a ``nosec`` comment are scanned
   again without that option. A finding missing from the second report is silenced by a comment.
3. The report must list every file that is not excluded, either as scanned or as failed. Bandit only
   logs when one of its tests crashes, so the log is read as well.
4. The baseline is a bandit report. It silences the findings that it lists. If a file has more
   findings of one kind than the baseline lists, none of that kind is silenced, because the new one
   cannot be distinguished.

Only files with the suffix ``.py`` or ``.pyw`` are read: no other scripts and no notebooks.
"""

from __future__ import annotations

import configparser
import json
import os
import platform
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from posixpath import normpath
from typing import Any

from security.content.printable import printable
from security.finding import Confidence, Finding, Severity, Silencing
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.tool.file_copies import unwritable_scratch
from security.gates.tool.own_tools import own_module, own_version, run_linter
from security.gates.tool.reason_list import file_reasons, join_reasons
from security.gates.tool.silencing_comments import find_commented_files, path_arguments

_PYPROJECT, _INI = "pyproject.toml", ".bandit"
_SUFFIXES = (".py", ".pyw")
_OPTIONS = ("--quiet", "--recursive", "--format=json", "--number=1")
# The gate sets these itself: which files bandit scans, and where and how it reports.
_OURS = ("exclude_dirs", "include", "log_format", "plugin_name_pattern", "targets")
_CRASH = "Bandit internal error running"
_MOST_REPORT = 512 << 20
_HINT = "run bandit -r . in the project to see its output"


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the protected branch: options for bandit, and patterns of excluded files."""

    bandit: Mapping[str, Any]
    arguments: tuple[str, ...]
    excluded: tuple[str, ...]

    def excludes(self, path: str) -> bool:
        """Say whether a file is excluded, by bandit's rule: a pattern, or a part of the path."""
        shown = f"./{path}"
        return any(fnmatch(shown, pattern) or pattern in shown for pattern in self.excluded)


@dataclass(frozen=True, slots=True)
class _BanditReport:
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


class CodeSecurityGate:
    """Scan Python files with bandit.

    Args:
        baseline: path of a bandit report with known findings, relative to the project's root; it
            is read from the protected branch.
    """

    name = "code-security"
    kind = Kind.SOURCE
    place = Place.COPY

    def __init__(self, baseline: str | None = ".ml-assets/bandit-baseline.json") -> None:
        self._baseline = baseline

    def reads(self, path: str) -> bool:
        """Say whether the gate reads a file: Python files, the configuration and the baseline."""
        return path.lower().endswith(_SUFFIXES) or self.configures(path)

    def configures(self, path: str) -> bool:
        """Say whether a file is configuration or the baseline."""
        return path in (_PYPROJECT, _INI, self._baseline)

    def tool(self, task: Task) -> Tool:
        """Return bandit, its version and its options.

        Raises:
            GateError: bandit is not installed.
        """
        own_module("bandit")
        configuration: dict[str, Json] = {
            "baseline": self._baseline,
            "options": list(_OPTIONS),
            "python": platform.python_version(),
        }
        return Tool("bandit", own_version("bandit"), configuration)

    def judge(self, task: Task) -> Report:
        """Report every finding of bandit, and mark those that a comment or the baseline silences.

        Raises:
            GateError: bandit is missing, crashed, or its report contradicts itself.
        """
        settings = _load_settings(task.directory)
        known = self._load_baseline(task.directory)
        sources = [path for path in task.files if not self.configures(path)]
        wanted = frozenset(path for path in sources if not settings.excludes(path))
        if not wanted:
            return Report((), 0, facts={"left_out": len(sources)})
        scan = _run_bandit(task, settings, "scan", ("--ignore-nosec", "."))
        commented = _find_commented(task, settings, scan)
        findings = _mark_silenced(scan.findings, commented, known)
        return _build_report(scan, findings, wanted, len(sources) - len(wanted))

    def _load_baseline(self, directory: Path) -> Counter[str]:
        if self._baseline is None or not (directory / self._baseline).exists():
            return Counter()
        try:
            results = _parse_results(_load_json(directory / self._baseline))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"not a bandit report: {self._baseline}: {printable(repr(error))}"
            raise GateError(message, f"bandit -r . -f json -o {self._baseline}") from error
        return Counter(identity for _, identity in results)


def _load_settings(directory: Path) -> _Settings:
    try:
        path = directory / _PYPROJECT
        document = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        pyproject = dict(document.get("tool", {}).get("bandit", {}))
        return _translate(pyproject, _load_ini(directory / _INI), directory)
    except (OSError, ValueError, TypeError, AttributeError, configparser.Error) as error:
        message = f"unreadable configuration of bandit: {printable(str(error))}"
        hint = f"correct [tool.bandit] in {_PYPROJECT}, or {_INI}, on the protected branch"
        raise GateError(message, hint) from error


def _load_ini(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    parser = configparser.ConfigParser()
    parser.read_string(path.read_text("utf-8"))
    return dict(parser["bandit"]) if parser.has_section("bandit") else {}


def _translate(pyproject: Mapping[str, Any], ini: Mapping[str, str], directory: Path) -> _Settings:
    """Step 1: keep the options that select tests, configure tests or exclude files."""
    excluded = list(pyproject.get("exclude_dirs") or ())
    for path in filter(None, ini.get("exclude", "").split(",")):
        excluded.append(os.path.join(path, "*") if (directory / path).is_dir() else path)
    if not all(isinstance(pattern, str) for pattern in excluded):
        raise ValueError("exclude_dirs is not a list of strings")
    bandit = {key: value for key, value in pyproject.items() if key not in _OURS}
    # The private copy also holds configuration files, which are not source.
    bandit |= {"include": ["*.[pP][yY]", "*.[pP][yY][wW]"], "exclude_dirs": excluded}
    selected = [f"--{key}={ini[key]}" for key in ("tests", "profile") if ini.get(key)]
    selected += [f"--skip={ini['skips']}"] if ini.get("skips") else []
    return _Settings(bandit, tuple(selected), tuple(excluded))


def _run_bandit(
    task: Task, settings: _Settings, name: str, arguments: Sequence[str]
) -> _BanditReport:
    """Run bandit, which writes its report to a file and its log to standard error."""
    names = (f"{name}.json", "bandit.yaml", "bandit.ini")
    report, configuration, ini = (task.scratch / one for one in names)
    try:
        ini.write_text("[bandit]\n")  # otherwise bandit searches the tree for a .bandit file
        configuration.write_text(json.dumps(settings.bandit))
    except (TypeError, ValueError) as error:
        message = f"unreadable configuration of bandit: {printable(str(error))}"
        raise GateError(message, f"correct [tool.bandit] in {_PYPROJECT}") from error
    except OSError as error:
        raise unwritable_scratch(error) from error
    files = (f"--output={report}", f"--configfile={configuration}", f"--ini={ini}", "--exclude=")
    bandit = own_module("bandit", *_OPTIONS, *files, *settings.arguments, *arguments)
    ended = run_linter(task, bandit, task.directory)
    if not report.is_file() or not report.stat().st_size:
        why = f"exit code {ended.exit_code}: {ended.last_lines()}"
        raise GateError(f"bandit wrote no report, {why}", _HINT)
    scan = _parse_report(_load_json(report), ended.errors.count(_CRASH))
    if ended.exit_code != bool(scan.findings):
        why = f"exit code {ended.exit_code} with {len(scan.findings)} findings"
        raise GateError(f"bandit contradicts its report: {why}", _HINT)
    return scan


def _parse_report(values: Any, crashes: int) -> _BanditReport:
    try:
        failed = {normpath(one["filename"]): str(one["reason"]) for one in values["errors"]}
        scanned = frozenset(map(normpath, values["metrics"].keys() - {"_totals"}))
        return _BanditReport(_parse_results(values), scanned, failed, crashes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GateError(f"unreadable report of bandit: {printable(repr(error))}", _HINT) from error


def _load_json(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return json.loads(file.read(_MOST_REPORT))
    except (OSError, ValueError, RecursionError) as error:
        raise GateError(f"unreadable JSON: {path.name}: {printable(str(error))}", _HINT) from error


def _parse_results(values: Any) -> tuple[tuple[Finding, str], ...]:
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


def _find_commented(task: Task, settings: _Settings, scan: _BanditReport) -> Counter[Finding]:
    """Step 2: return the findings that comments silence."""
    found = {finding.path for finding, _ in scan.findings}
    paths = find_commented_files(task.directory, found, b"nosec")
    if not paths:
        return Counter()
    second = _run_bandit(task, settings, "second-scan", path_arguments(paths))
    # Where the second scan failed, nothing is known of comments, and findings stay loud.
    seen = second.scanned.intersection(paths) - second.failed.keys()
    loud = Counter(finding for finding, _ in scan.findings if finding.path in seen)
    return loud - Counter(finding for finding, _ in second.findings)


def _mark_silenced(
    found: Sequence[tuple[Finding, str]], commented: Counter[Finding], known: Counter[str]
) -> tuple[Finding, ...]:
    """Steps 2 and 4: mark the findings that a comment or the baseline silences."""
    times = Counter(identity for _, identity in found)
    findings = []
    for finding, identity in found:
        if commented[finding] > 0:
            commented[finding] -= 1
            finding = replace(finding, silenced=Silencing.COMMENT)
        elif 0 < times[identity] <= known[identity]:
            finding = replace(finding, silenced=Silencing.BASELINE)
        findings.append(finding)
    return tuple(findings)


def _build_report(
    scan: _BanditReport, findings: tuple[Finding, ...], wanted: frozenset[str], excluded: int
) -> Report:
    """Step 3: account for every file."""
    failed = {path: scan.failed[path] for path in scan.failed.keys() & wanted}
    failed |= {path: "not scanned" for path in wanted - scan.scanned - failed.keys()}
    if not scan.scanned <= wanted:
        raise GateError("bandit scanned files that the configuration excludes", _HINT)
    reasons = [f"{scan.crashes} tests crashed"] if scan.crashes else []
    return Report(
        findings,
        judged=len(wanted) - len(failed),
        unjudged=join_reasons([*reasons, *file_reasons(failed)], "bandit did not check: "),
        facts={"left_out": excluded},
    )
