"""The gate ``lint``: what flake8 finds.

1. Flake8 gets a configuration that we write: the protected branch's section ``[flake8]`` without
   what would load plugins from the checkout (``[flake8:local-plugins]`` executes its code), start
   nothing, write files, or hide that a file could not be parsed.
2. It runs with ``--disable-noqa``. Where that finds something in files that hold such a comment, it
   runs again on these without: what is then missing has been silenced by a comment.
3. Names and texts are printed as Python literals, so that none can pass for another line. The
   number of files processed is printed with them, and must be that of the files handed over less
   those that the configuration leaves out by flake8's own rules.
4. E902 and E999 mean that the rest of a file was not looked at: it is unjudged. Anything on the
   output that is neither a finding nor a count is a crash.
"""

from __future__ import annotations

import ast
import configparser
import os
import platform
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import TypeAlias

from security.content.printable import printable
from security.finding import Finding, Severity, Silencing
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.tool.own_tools import own_module, own_version
from security.gates.tool.tool_process import ToolCommand, ToolExit, run_tool

# Flake8 takes the first of these that has such a section.
_CONFIGURATION = ("setup.cfg", "tox.ini", ".flake8")
_PARTS = ("flake8", "mccabe", "pycodestyle", "pyflakes")
_FORMAT = "(%(path)r, %(row)d, %(col)d, %(code)r, %(text)r)"
_SELECT = "--extend-select=E902,E999"
_OPTIONS = ("--benchmark", "--color=never", f"--format={_FORMAT}", _SELECT)
# Ours to decide: what is looked at (given apart), how it is reported, what is written.
_OURS = frozenset(
    ("benchmark", "bug-report", "color", "count", "disable-noqa", "exclude", "exit-zero")
    + ("extend-exclude", "extend-select", "format", "jobs", "output-file", "quiet", "show-source")
    + ("statistics", "stdin-display-name", "tee", "verbose")
)
_UNPARSED = ("E902", "E999")
_MOST_ARGUMENTS = 500_000
_HINT = "run flake8 on the project and see what it says"
_Place: TypeAlias = tuple[str, int, int, str, str]


@dataclass(frozen=True, slots=True)
class _Settings:
    """The protected branch's settings: what flake8 gets, by a file and by arguments."""

    text: str = "[flake8]\n"
    excluded: tuple[str, ...] = ()
    included: tuple[str, ...] = ("*.py",)
    selected: str = ""
    local_plugins: int = 0

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return what flake8 gets by arguments; with no list of its own, nothing is left out."""
        return f"--exclude={','.join(self.excluded)}", f"{_SELECT},{self.selected}"

    def leaves_out(self, directory: str, path: str) -> bool:
        """Say whether a file is left out, or a directory that it is in, as flake8 decides it."""
        patterns = [
            os.path.normpath(os.path.join(directory, pattern)) if "/" in pattern else pattern
            for pattern in self.excluded
        ]
        above = [parent.as_posix() for parent in PurePosixPath(path).parents]
        for one in (path, *above):
            names = (os.path.basename(one), os.path.normpath(os.path.join(directory, one)))
            if any(fnmatch(name, pattern) for name in names for pattern in patterns):
                return True
        return not any(fnmatch(f"./{path}", pattern) for pattern in self.included)


@dataclass(frozen=True, slots=True)
class _Said:
    """What flake8 has said: its findings, and how many files it processed."""

    places: tuple[_Place, ...]
    files: int


class LintGate:
    """Judge Python files by flake8's rules."""

    name = "lint"
    kind = Kind.SOURCE
    place = Place.COPY

    def reads(self, path: str) -> bool:
        """Say whether it reads a file: Python files, and the configuration."""
        return path.endswith(".py") or path in _CONFIGURATION

    def configures(self, path: str) -> bool:
        """Say whether a file is configuration."""
        return path in _CONFIGURATION

    def tool(self, task: Task) -> Tool:
        """Return flake8, the versions of its parts, and how it is called.

        Raises:
            GateError: it is not there.
        """
        own_module("flake8")
        version = ", ".join(f"{part} {own_version(part)}" for part in _PARTS)
        configuration: dict[str, Json] = {
            "options": list(_OPTIONS),
            "python": platform.python_version(),
        }
        return Tool("flake8", version, configuration)

    def judge(self, task: Task) -> Report:
        """Find what flake8 minds, silenced or not.

        Raises:
            GateError: flake8 is missing, crashed, or said what does not add up.
        """
        settings = _load_settings(task.directory)
        sources = [path for path in task.files if not self.configures(path)]
        real = os.path.realpath(task.directory)
        wanted = sum(not settings.leaves_out(real, path) for path in sources)
        facts = {
            "left_out": len(sources) - wanted,
            "local_plugins_not_loaded": settings.local_plugins,
        }
        if not wanted:
            return Report((), 0, facts=facts)
        said = _run_flake8(task, settings, ("--disable-noqa", "."))
        return replace(_report(said, _find_silenced(task, settings, said), wanted), facts=facts)


def _load_settings(directory: Path) -> _Settings:
    for name in _CONFIGURATION:
        parser = configparser.RawConfigParser()
        try:
            parser.read(directory / name, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError) as error:
            message = f"{name} cannot be read: {printable(str(error))}"
            raise GateError(message, f"correct {name} of the protected branch") from error
        if parser.has_section("flake8") or parser.has_section("flake8:local-plugins"):
            return _translate(parser)
    return _Settings()


def _translate(parser: configparser.RawConfigParser) -> _Settings:
    """Take over what flake8 may be told."""
    section = dict(parser["flake8"]) if parser.has_section("flake8") else {}
    given = {key.replace("_", "-"): value for key, value in section.items()}
    lines = ["[flake8]"]
    for key in given.keys() - _OURS:
        value = given[key]
        if key in ("ignore", "extend-ignore", "per-file-ignores"):
            # The shorter code loses against ours, which select these two.
            value = re.sub(r"\bE(?:902|999)\b", "E9", value)
        lines.append(f"{key} = " + value.replace("\n", "\n    "))
    local = 0
    if parser.has_section("flake8:local-plugins"):
        plugins = parser["flake8:local-plugins"]
        local = sum(plugins.get(kind, "").count("=") for kind in ("extension", "report"))
    return _Settings(
        "\n".join((*lines, "")),
        _items(f"{given.get('exclude', '')},{given.get('extend-exclude', '')}"),
        _items(given.get("filename", "")) or ("*.py",),
        ",".join(_items(given.get("extend-select", ""))),
        local,
    )


def _items(value: str) -> tuple[str, ...]:
    return tuple(filter(None, re.split(r"[,\s]", value)))


def _run_flake8(task: Task, settings: _Settings, arguments: Sequence[str]) -> _Said:
    configuration = task.scratch / "flake8.cfg"
    try:
        configuration.write_text(settings.text, "utf-8")
    except (OSError, UnicodeEncodeError) as error:
        raise GateError(f"scratch directory: {error}", "make room, and try again") from error
    private = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), str(task.scratch))
    options = (*_OPTIONS, *settings.arguments, f"--config={configuration}")
    flake8 = own_module("flake8", *options, *arguments)
    environment = {**task.environment, **private}
    command = ToolCommand(flake8, task.directory, environment, task.timeout, task.denied)
    return _parse(run_tool(replace(command, unconfined_ok=True)))  # it runs nothing that it reads


def _parse(done: ToolExit) -> _Said:
    """Read flake8's output: findings, then counts, and nothing else.

    Raises:
        GateError: there is something else, or the exit code is not that of the findings.
    """
    places, files = [], None
    for line in done.output.decode("utf-8", "replace").split("\n")[:-1]:
        count = re.fullmatch(r"(\d+) +total files processed", line)
        if count:
            files = int(count[1])
        elif not re.fullmatch(r"[\d.]+ +[a-z ]+", line):
            places.append(_parse_place(line, done))
    if files is None or done.exit_code != bool(places):
        last = printable(done.errors.strip()[-300:], 300)
        raise GateError(f"flake8 ended early, exit code {done.exit_code}: {last}", _HINT)
    return _Said(tuple(places), files)


def _parse_place(line: str, done: ToolExit) -> _Place:
    try:
        path, row, column, code, text = ast.literal_eval(line)
        return normpath(path), int(row), int(column), str(code), str(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        said = printable(f"{line} {done.errors.strip()[-200:]}", 400)
        raise GateError(f"flake8 said what is no finding: {said}", _HINT) from error


def _find_silenced(task: Task, settings: _Settings, said: _Said) -> Counter[_Place]:
    """Return the findings that comments silence: those that are gone when comments are heeded."""
    found = {path for path, *_ in said.places}
    paths = sorted(path for path in found if _mentions_noqa(task.directory / path))
    if not paths:
        return Counter()
    short = sum(len(path) + 3 for path in paths) < _MOST_ARGUMENTS
    heeding = _run_flake8(task, settings, [f"./{path}" for path in paths] if short else ["."])
    within = set(paths)
    loud = Counter(place for place in said.places if place[0] in within)
    heard = Counter(place for place in heeding.places if place[0] in within)
    if heard - loud or heeding.files < len(paths):
        raise GateError("flake8 looked at something else when it heeded comments", _HINT)
    return loud - heard


def _mentions_noqa(path: Path) -> bool:
    try:
        return b"noqa" in path.read_bytes().lower()
    except OSError:
        return False  # flake8 could not read it either: E902


def _report(said: _Said, silenced: Counter[_Place], wanted: int) -> Report:
    unparsed = {place[0]: place[4] for place in said.places if place[3] in _UNPARSED}
    findings = []
    for place in said.places:
        if place[3] in _UNPARSED:
            continue
        findings.append(_finding(place, silenced[place] > 0))
        silenced[place] -= 1
    reasons = [f"{printable(path)}: {printable(unparsed[path])}" for path in sorted(unparsed)]
    if said.files != wanted:
        reasons.insert(0, f"{said.files} files looked at, not {wanted}")
    more = f" and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    return Report(
        tuple(findings),
        judged=said.files - len(unparsed),
        unjudged=f"not judged by flake8: {'; '.join(reasons[:5])}{more}" if reasons else None,
    )


def _finding(place: _Place, silenced: bool) -> Finding:
    path, row, column, code, text = place
    return Finding(
        id=code,
        message=text,
        severity=_severity(code),
        path=path,
        line=row or None,
        column=column or None,
        silenced=Silencing.COMMENT if silenced else None,
    )


def _severity(code: str) -> Severity | None:
    """Rank a code: pyflakes finds defects, the others of flake8 style; of plugins nobody says."""
    if re.fullmatch(r"F\d+", code):
        return Severity.MEDIUM
    return Severity.LOW if re.fullmatch(r"[EW]\d+|C90\d", code) else None
