"""The gate ``lint``: findings of flake8 in Python files.

1. Flake8 gets a configuration file that we write: the section ``[flake8]`` of the protected branch
   without options that load plugins from the checkout (``[flake8:local-plugins]`` executes its
   code), start programs, write files or hide that a file could not be parsed.
2. Flake8 runs with ``--disable-noqa``. Files that have findings and a ``noqa`` comment are checked
   again without that option. A finding missing from the second output is silenced by a comment.
3. Paths and messages are printed as Python literals, so that none can pass for another line. The
   number of processed files is printed too. It must equal the number of files that the
   configuration does not exclude by flake8's own rules.
4. A script without the suffix is named to flake8, by its path.
5. E902 and E999 mean that the rest of a file was not checked. A line of output that is neither a
   finding nor a count means that flake8 crashed.
"""

from __future__ import annotations

import ast
import configparser
import os
import platform
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import TypeAlias

from security.content.printable import printable
from security.finding import Finding, Severity, Silencing
from security.gates.context import GateContext
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.tool.file_copies import unwritable_scratch
from security.gates.tool.own_tools import own_module, own_version, run_linter
from security.gates.tool.reason_list import file_reasons, join_reasons
from security.gates.tool.silencing_comments import find_commented_files, path_arguments
from security.gates.tool.tool_process import ToolExit

# Flake8 takes the first of these that has such a section.
_CONFIGURATION = ("setup.cfg", "tox.ini", ".flake8")
_PARTS = ("flake8", "mccabe", "pycodestyle", "pyflakes")
_FORMAT = "(%(path)r, %(row)d, %(col)d, %(code)r, %(text)r)"
_SELECT = "--extend-select=E902,E999"
_OPTIONS = ("--benchmark", "--color=never", f"--format={_FORMAT}", _SELECT)
# The gate sets these itself: which files flake8 checks (as arguments), how it reports, what it
# writes.
_OURS = frozenset(
    ("benchmark", "bug-report", "color", "count", "disable-noqa", "exclude", "exit-zero")
    + ("extend-exclude", "extend-select", "format", "jobs", "output-file", "quiet", "show-source")
    + ("statistics", "stdin-display-name", "tee", "verbose")
)
_UNPARSED = ("E902", "E999")
_HINT = "run flake8 in the project to see its output"
_Entry: TypeAlias = tuple[str, int, int, str, str]  # path, row, column, code, text


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the protected branch, which flake8 gets as a file and as arguments."""

    text: str = "[flake8]\n"
    excluded: tuple[str, ...] = ()
    included: tuple[str, ...] = ("*.py",)
    selected: str = ""
    local_plugins: int = 0
    scripts: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return the arguments; an empty list of patterns replaces the one that flake8 has."""
        return f"--exclude={','.join(self.excluded)}", f"{_SELECT},{self.selected}"

    def excludes(self, directory: str, path: str) -> bool:
        """Say whether a file, or a directory above it, is excluded, by flake8's rules."""
        patterns = [
            os.path.normpath(os.path.join(directory, pattern)) if "/" in pattern else pattern
            for pattern in self.excluded
        ]
        above = [parent.as_posix() for parent in PurePosixPath(path).parents]
        for one in (path, *above):
            names = (os.path.basename(one), os.path.normpath(os.path.join(directory, one)))
            if any(fnmatch(name, pattern) for name in names for pattern in patterns):
                return True
        return path not in self.scripts and not self._includes(path)

    def _includes(self, path: str) -> bool:
        return any(fnmatch(f"./{path}", pattern) for pattern in self.included)

    def name_scripts(self, directory: str) -> list[str]:
        """Return the arguments that name the scripts that flake8 does not find itself."""
        kept = (path for path in self.scripts if not self.excludes(directory, path))
        return [f"./{path}" for path in kept if not self._includes(path)]


@dataclass(frozen=True, slots=True)
class _Flake8Output:
    """The output of flake8: its findings, and the number of files that it processed."""

    entries: tuple[_Entry, ...]
    files: int


class LintGate:
    """Check Python files with flake8.

    Args:
        is_script: says whether a file of the tree is Python without the suffix.
    """

    name = "lint"
    kind = Kind.SOURCE
    place = Place.COPY

    def __init__(self, is_script: Callable[[str], bool] = lambda path: False) -> None:
        self._is_script = is_script

    @classmethod
    def from_context(cls, context: GateContext) -> LintGate:
        """Build the gate for a project."""
        return cls(context.project.python_files.is_script)

    def reads(self, path: str) -> bool:
        """Say whether the gate reads a file: Python files and the configuration."""
        return path.endswith(".py") or path in _CONFIGURATION or self._is_script(path)

    def configures(self, path: str) -> bool:
        """Say whether a file is configuration."""
        return path in _CONFIGURATION

    def tool(self, task: Task) -> Tool:
        """Return flake8, the versions of its parts and its options.

        Raises:
            GateError: flake8 is not installed.
        """
        own_module("flake8")
        version = ", ".join(f"{part} {own_version(part)}" for part in _PARTS)
        configuration: dict[str, Json] = {
            "options": list(_OPTIONS),
            "python": platform.python_version(),
        }
        return Tool("flake8", version, configuration)

    def judge(self, task: Task) -> Report:
        """Report every finding of flake8, and mark those that a comment silences.

        Raises:
            GateError: flake8 is missing, crashed, or its output contradicts itself.
        """
        sources = [path for path in task.files if not self.configures(path)]
        scripts = tuple(path for path in sources if not path.endswith(".py"))
        settings = replace(_load_settings(task.directory), scripts=scripts)
        real = os.path.realpath(task.directory)
        wanted = sum(not settings.excludes(real, path) for path in sources)
        facts = {
            "left_out": len(sources) - wanted,
            "local_plugins_not_loaded": settings.local_plugins,
        }
        if not wanted:
            return Report((), 0, facts=facts)
        named = settings.name_scripts(real)
        output = _run_flake8(task, settings, ("--disable-noqa", ".", *named))
        commented = _find_commented(task, settings, output)
        return replace(_build_report(output, commented, wanted), facts=facts)


def _load_settings(directory: Path) -> _Settings:
    for name in _CONFIGURATION:
        parser = configparser.RawConfigParser()
        try:
            parser.read(directory / name, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError) as error:
            message = f"unreadable configuration of flake8: {name}: {printable(str(error))}"
            raise GateError(message, f"correct {name} on the protected branch") from error
        if parser.has_section("flake8") or parser.has_section("flake8:local-plugins"):
            return _translate(parser)
    return _Settings()


def _translate(parser: configparser.RawConfigParser) -> _Settings:
    """Step 1: keep the options that are safe."""
    section = dict(parser["flake8"]) if parser.has_section("flake8") else {}
    given = {key.replace("_", "-"): value for key, value in section.items()}
    lines = ["[flake8]"]
    for key in given.keys() - _OURS:
        value = given[key]
        if key in ("ignore", "extend-ignore", "per-file-ignores"):
            # Ignoring the shorter code has no effect on these two, which --extend-select names.
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


def _run_flake8(task: Task, settings: _Settings, arguments: Sequence[str]) -> _Flake8Output:
    configuration = task.scratch / "flake8.cfg"
    try:
        configuration.write_text(settings.text, "utf-8")
    except (OSError, UnicodeEncodeError) as error:
        raise unwritable_scratch(error) from error
    options = (*_OPTIONS, *settings.arguments, f"--config={configuration}")
    flake8 = own_module("flake8", *options, *arguments)
    return _parse_output(run_linter(task, flake8, task.directory))


def _parse_output(ended: ToolExit) -> _Flake8Output:
    """Parse findings, then counts, and nothing else.

    Raises:
        GateError: there is another line, or the exit code does not agree with the findings.
    """
    entries, files = [], None
    for line in ended.output.decode("utf-8", "replace").split("\n")[:-1]:
        count = re.fullmatch(r"(\d+) +total files processed", line)
        if count:
            files = int(count[1])
        elif not re.fullmatch(r"[\d.]+ +[a-z ]+", line):
            entries.append(_parse_entry(line, ended))
    if files is None or ended.exit_code != bool(entries):
        why = f"exit code {ended.exit_code} with {len(entries)} findings: {ended.last_lines()}"
        raise GateError(f"incomplete output of flake8, {why}", _HINT)
    return _Flake8Output(tuple(entries), files)


def _parse_entry(line: str, ended: ToolExit) -> _Entry:
    try:
        path, row, column, code, text = ast.literal_eval(line)
        return normpath(path), int(row), int(column), str(code), str(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        shown = printable(f"{line} {ended.errors.strip()[-200:]}", 400)
        raise GateError(f"unreadable output of flake8: {shown}", _HINT) from error


def _find_commented(task: Task, settings: _Settings, output: _Flake8Output) -> Counter[_Entry]:
    """Step 2: return the findings that comments silence."""
    found = {path for path, *_ in output.entries}
    paths = find_commented_files(task.directory, found, b"noqa")
    if not paths:
        return Counter()
    second = _run_flake8(task, settings, path_arguments(paths))
    within = set(paths)
    loud = Counter(entry for entry in output.entries if entry[0] in within)
    left = Counter(entry for entry in second.entries if entry[0] in within)
    if left - loud or second.files < len(paths):
        raise GateError("flake8 checked other files in its second run", _HINT)
    return loud - left


def _build_report(output: _Flake8Output, commented: Counter[_Entry], wanted: int) -> Report:
    """Steps 3 and 5: account for every file."""
    unparsed = {entry[0]: entry[4] for entry in output.entries if entry[3] in _UNPARSED}
    findings = []
    for entry in output.entries:
        if entry[3] in _UNPARSED:
            continue
        findings.append(_build_finding(entry, commented[entry] > 0))
        commented[entry] -= 1
    reasons = file_reasons(unparsed)
    if output.files != wanted:
        reasons.insert(0, f"{output.files} of {wanted} files were processed")
    return Report(
        tuple(findings),
        judged=output.files - len(unparsed),
        unjudged=join_reasons(reasons, "flake8 did not check: "),
    )


def _build_finding(entry: _Entry, silenced: bool) -> Finding:
    path, row, column, code, text = entry
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
    """Rank a code: pyflakes finds defects, flake8's other parts style; plugins are unranked."""
    if re.fullmatch(r"F\d+", code):
        return Severity.MEDIUM
    return Severity.LOW if re.fullmatch(r"[EW]\d+|C90\d", code) else None
