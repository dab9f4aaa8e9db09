"""The gate ``code-security``: what bandit finds in Python files.

1. Bandit gets a configuration that we write: the protected branch's ``[tool.bandit]`` and
   ``.bandit`` as far as they choose tests, set them up, and leave files out. Its built-in list of
   directories is not applied: what Git tracks is source, in ``.tox/`` too.
2. It runs with ``--ignore-nosec``. Where that finds something in files that hold such a comment, it
   runs again on these without: what is then missing has been silenced by a comment.
3. Every file that the configuration does not leave out must be in the report, as counted or as
   failed. A test that crashed inside bandit is only logged: the log is read for it.
4. A baseline, which is a report of bandit's, silences what it holds; where a file has more of the
   same kind than the baseline knows, nobody can tell which is new, and all are loud.

Files are known by their names (``.py``, ``.pyw``): no other scripts, and no notebooks, are read.
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
from security.gates.tool.own_tools import own_module, own_version
from security.gates.tool.tool_process import Command, run_tool

_PYPROJECT, _INI = "pyproject.toml", ".bandit"
_SUFFIXES = (".py", ".pyw")
_OPTIONS = ("--quiet", "--recursive", "--format=json", "--number=1")
# Ours to decide: what is looked at, and where and how bandit writes.
_OURS = ("exclude_dirs", "include", "log_format", "plugin_name_pattern", "targets")
_CRASHED = b"Bandit internal error running"
_MOST_ARGUMENTS = 500_000
_MOST_REPORT = 512 << 20
_HINT = "run bandit -r on the project and see what it says"


@dataclass(frozen=True, slots=True)
class _Settings:
    """The protected branch's settings: for bandit, and which files it leaves out."""

    bandit: Mapping[str, Any]
    arguments: tuple[str, ...]
    left_out: tuple[str, ...]

    def leaves_out(self, path: str) -> bool:
        """Say whether a file is left out, as bandit decides it: by patterns, or parts of names."""
        shown = f"./{path}"
        return any(fnmatch(shown, pattern) or pattern in shown for pattern in self.left_out)


@dataclass(frozen=True, slots=True)
class _Said:
    """What bandit has said: each finding with the text by which a baseline knows it, which files
    it counted, why it could not judge one, and how often one of its tests crashed."""

    found: tuple[tuple[Finding, str], ...]
    counted: frozenset[str]
    failed: Mapping[str, str]
    crashes: int


class CodeSecurityGate:
    """Judge Python files by bandit's tests.

    Args:
        baseline: the path of a report of bandit's, relative to the project's root, the findings of
            which are known and silenced; taken from the protected branch.
    """

    name = "code-security"
    kind = Kind.SOURCE
    place = Place.COPY

    def __init__(self, baseline: str | None = ".ml-assets/bandit-baseline.json") -> None:
        self._baseline = baseline

    def reads(self, path: str) -> bool:
        """Say whether it reads a file: Python files, the configuration and the baseline."""
        return path.lower().endswith(_SUFFIXES) or self.configures(path)

    def configures(self, path: str) -> bool:
        """Say whether a file is configuration; the baseline is."""
        return path in (_PYPROJECT, _INI, self._baseline)

    def tool(self, task: Task) -> Tool:
        """Return bandit, its version, and how it is called.

        Raises:
            GateError: it is not there.
        """
        own_module("bandit")
        configuration: dict[str, Json] = {
            "baseline": self._baseline,
            "options": list(_OPTIONS),
            "python": platform.python_version(),
        }
        return Tool("bandit", own_version("bandit"), configuration)

    def judge(self, task: Task) -> Report:
        """Find what bandit minds, silenced or not.

        Raises:
            GateError: bandit is missing, crashed, or said what does not add up.
        """
        settings = _load_settings(task.directory)
        known = self._load_baseline(task.directory)
        sources = [path for path in task.files if not self.configures(path)]
        wanted = frozenset(path for path in sources if not settings.leaves_out(path))
        if not wanted:
            return Report((), 0, facts={"left_out": len(sources)})
        said = _run_bandit(task, settings, "found", ("--ignore-nosec", "."))
        silenced = _find_silenced(task, settings, said)
        findings = _silence(said.found, silenced, known)
        return _report(said, findings, wanted, len(sources) - len(wanted))

    def _load_baseline(self, directory: Path) -> Counter[str]:
        if self._baseline is None or not (directory / self._baseline).exists():
            return Counter()
        try:
            results = _read_results(_load_json(directory / self._baseline))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"{self._baseline} is no report of bandit: {printable(repr(error))}"
            raise GateError(message, "write it with bandit -r . --format json") from error
        return Counter(known for _, known in results)


def _load_settings(directory: Path) -> _Settings:
    try:
        path = directory / _PYPROJECT
        document = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        pyproject = dict(document.get("tool", {}).get("bandit", {}))
        return _translate(pyproject, _load_ini(directory / _INI), directory)
    except (OSError, ValueError, TypeError, AttributeError, configparser.Error) as error:
        message = f"configuration of bandit cannot be read: {printable(str(error))}"
        hint = f"correct [tool.bandit] in {_PYPROJECT}, or {_INI}, of the protected branch"
        raise GateError(message, hint) from error


def _load_ini(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    parser = configparser.ConfigParser()
    parser.read_string(path.read_text("utf-8"))
    return dict(parser["bandit"]) if parser.has_section("bandit") else {}


def _translate(pyproject: Mapping[str, Any], ini: Mapping[str, str], directory: Path) -> _Settings:
    left_out = list(pyproject.get("exclude_dirs") or ())
    for path in filter(None, ini.get("exclude", "").split(",")):
        left_out.append(os.path.join(path, "*") if (directory / path).is_dir() else path)
    if not all(isinstance(pattern, str) for pattern in left_out):
        raise ValueError("exclude_dirs is no list of texts")
    bandit = {key: value for key, value in pyproject.items() if key not in _OURS}
    # The copy has the configuration in it, too, which is no source.
    bandit |= {"include": ["*.[pP][yY]", "*.[pP][yY][wW]"], "exclude_dirs": left_out}
    chosen = [f"--{key}={ini[key]}" for key in ("tests", "profile") if ini.get(key)]
    chosen += [f"--skip={ini['skips']}"] if ini.get("skips") else []
    return _Settings(bandit, tuple(chosen), tuple(left_out))


def _run_bandit(task: Task, settings: _Settings, name: str, arguments: Sequence[str]) -> _Said:
    """Run bandit; its report goes to a file, and its log to where all of it can be read."""
    names = (f"{name}.json", "bandit.yaml", "bandit.ini")
    report, configuration, ini = (task.scratch / one for one in names)
    try:
        ini.write_text("[bandit]\n")  # with one given, bandit looks for none in the tree
        configuration.write_text(json.dumps(settings.bandit))
    except (OSError, TypeError, ValueError) as error:
        raise GateError(f"configuration of bandit: {error}", _HINT) from error
    own = (f"--output={report}", f"--configfile={configuration}", f"--ini={ini}", "--exclude=")
    bandit = own_module("bandit", *_OPTIONS, *own, *settings.arguments, *arguments)
    private = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), str(task.scratch))
    command = Command(
        ("/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *bandit),
        task.directory,
        {**task.environment, **private},
        task.timeout,
        task.denied,
        unconfined_ok=True,  # it runs nothing of what it reads
    )
    done = run_tool(command)
    if not report.is_file() or not report.stat().st_size:
        last = printable(done.output[-300:].decode("utf-8", "replace").strip(), 300)
        raise GateError(f"bandit ended early, exit code {done.exit_code}: {last}", _HINT)
    said = _parse_report(_load_json(report), done.output.count(_CRASHED))
    if done.exit_code != bool(said.found):
        raise GateError(f"exit code of bandit: {done.exit_code}", _HINT)
    return said


def _parse_report(values: Any, crashes: int) -> _Said:
    try:
        failed = {normpath(one["filename"]): str(one["reason"]) for one in values["errors"]}
        counted = frozenset(map(normpath, values["metrics"].keys() - {"_totals"}))
        return _Said(_read_results(values), counted, failed, crashes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GateError(f"report of bandit: {printable(repr(error))}", _HINT) from error


def _load_json(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return json.loads(file.read(_MOST_REPORT))
    except (OSError, ValueError, RecursionError) as error:
        raise GateError(f"{path.name} cannot be read: {printable(str(error))}", _HINT) from error


def _read_results(values: Any) -> tuple[tuple[Finding, str], ...]:
    return tuple((_finding(one), _known(one)) for one in values["results"])


def _finding(one: Mapping[str, Any]) -> Finding:
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


def _known(one: Mapping[str, Any]) -> str:
    # Bandit compares these too, and no line numbers: they move.
    names = ("test_id", "test_name", "issue_text", "issue_severity", "issue_confidence")
    return json.dumps([normpath(one["filename"]), *(one[name] for name in names)])


def _find_silenced(task: Task, settings: _Settings, said: _Said) -> Counter[Finding]:
    """Return the findings that comments silence: those that are gone when comments are heeded."""
    found = {finding.path for finding, _ in said.found}
    paths = sorted(path for path in found if _mentions_nosec(task.directory / path))
    if not paths:
        return Counter()
    short = sum(len(path) + 3 for path in paths) < _MOST_ARGUMENTS
    targets = [f"./{path}" for path in paths] if short else ["."]
    heeding = _run_bandit(task, settings, "heeded", targets)
    # Where the second look failed, nothing is known of comments, and findings stay loud.
    seen = heeding.counted.intersection(paths) - heeding.failed.keys()
    loud = Counter(finding for finding, _ in said.found if finding.path in seen)
    return loud - Counter(finding for finding, _ in heeding.found)


def _mentions_nosec(path: Path) -> bool:
    try:
        return b"nosec" in path.read_bytes()
    except OSError:
        return False  # its findings stay loud


def _silence(
    found: Sequence[tuple[Finding, str]], silenced: Counter[Finding], known: Counter[str]
) -> tuple[Finding, ...]:
    times = Counter(text for _, text in found)
    findings = []
    for finding, text in found:
        if silenced[finding] > 0:
            silenced[finding] -= 1
            finding = replace(finding, silenced=Silencing.COMMENT)
        elif 0 < times[text] <= known[text]:
            finding = replace(finding, silenced=Silencing.BASELINE)
        findings.append(finding)
    return tuple(findings)


def _report(
    said: _Said, findings: tuple[Finding, ...], wanted: frozenset[str], left_out: int
) -> Report:
    failed = {path: said.failed[path] for path in said.failed.keys() & wanted}
    failed |= {path: "not looked at" for path in wanted - said.counted - failed.keys()}
    if not said.counted <= wanted:
        raise GateError("bandit judged files that it was not to judge", _HINT)
    reasons = [f"{printable(path)}: {failed[path]}" for path in sorted(failed)]
    if said.crashes:
        reasons.insert(0, f"tests of bandit crashed: {said.crashes}")
    more = f" and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    return Report(
        findings,
        judged=len(wanted) - len(failed),
        unjudged=f"not judged by bandit: {'; '.join(reasons[:5])}{more}" if reasons else None,
        facts={"left_out": left_out},
    )
