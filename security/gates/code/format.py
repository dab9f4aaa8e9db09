"""The gate ``format``: Python files that black would reformat.

1. The gate applies the exclude patterns of ``[tool.black]`` itself, by black's rules. Excluded
   files are counted and not given to black. The directories that black excludes by default are not
   excluded: every file that Git tracks is source, also in ``build/``.
2. Black gets numbered copies of the files (``security.gates.tool.file_copies``), because it prints
   names and quoted lines among its records.
3. Each copy must have exactly one record: clean, would be reformatted, or failed.
4. The exit code must agree with the records.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.tool.file_copies import FileCopies, copy_files, unwritable_scratch
from security.gates.tool.own_tools import own_module, own_version, run_linter
from security.gates.tool.reason_list import file_reasons, join_reasons
from security.gates.tool.tool_process import ToolExit

_CONFIGURATION = "pyproject.toml"
_OPTIONS = ("--check", "--verbose", "--no-cache", "--no-color", "--safe", "--exclude", "")
_EXCLUDING = ("exclude", "extend_exclude", "force_exclude")
# The gate sets these itself: which files black checks, how it reports, and where it may write.
_OURS = frozenset(
    (*_EXCLUDING, "include", "cache_dir", "check", "code", "color", "diff", "fast", "no_cache")
    + ("quiet", "safe", "src", "stdin_filename", "verbose", "workers", "write_back")
)
_SWITCH = re.compile(rb"#\s*(?:fmt:\s*(?:off|skip)|yapf:\s*disable)")
_HINT = "run black --check --verbose . in the project to see its output"
_CORRECT = f"correct [tool.black] in {_CONFIGURATION} on the protected branch"


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of ``[tool.black]``: the options that black gets, and which files are excluded."""

    toml: str
    excluded: tuple[re.Pattern[str], ...]
    included: re.Pattern[str]

    def excludes(self, path: str) -> bool:
        """Say whether a file, or a directory above it, is excluded, by black's rules."""
        above = [f"/{parent}/" for parent in PurePosixPath(path).parents if parent.name]
        for rooted in (*above, f"/{path}"):
            matches = (pattern.search(rooted) for pattern in self.excluded)
            if any(match and match.group(0) for match in matches):
                return True
        return self.included.search(f"/{path}") is None


class FormatGate:
    """Check the formatting of Python files, and of notebooks where black can read them."""

    name = "format"
    kind = Kind.SOURCE
    place = Place.COPY

    def __init__(self) -> None:
        reads_notebooks = all(map(importlib.util.find_spec, ("IPython", "tokenize_rt")))
        self._suffixes = (".py", ".pyi", ".ipynb") if reads_notebooks else (".py", ".pyi")

    def reads(self, path: str) -> bool:
        """Say whether the gate reads a file: Python files, stubs and the configuration."""
        return path.endswith(self._suffixes) or path == _CONFIGURATION

    def configures(self, path: str) -> bool:
        """Say whether a file is configuration."""
        return path == _CONFIGURATION

    def tool(self, task: Task) -> Tool:
        """Return black, its version and its options.

        Raises:
            GateError: black is not installed.
        """
        own_module("black")
        configuration: dict[str, Json] = {
            "options": list(_OPTIONS),
            "python": platform.python_version(),
            "suffixes": list(self._suffixes),
        }
        return Tool("black", own_version("black"), configuration)

    def judge(self, task: Task) -> Report:
        """Report every file that black would reformat.

        Raises:
            GateError: black is missing, crashed, or its output contradicts itself.
        """
        settings = _load_settings(task.directory / _CONFIGURATION)
        sources = [path for path in task.files if not self.configures(path)]
        wanted = [path for path in sources if not settings.excludes(path)]
        names = {path: f"{i:06}{self._suffix(path)}" for i, path in enumerate(wanted)}
        copies = copy_files(task, names)  # 2
        records = _run_black(task, copies, settings.toml) if copies.originals else {}
        facts = {
            "left_out": len(sources) - len(wanted),
            "formatting_switched_off": _count_switches(copies),
        }
        return _build_report(records, copies, facts)

    def _suffix(self, path: str) -> str:
        """Return the suffix of a copy; a file without one is read because of a link to it."""
        suffix = PurePosixPath(path).suffix
        return suffix if suffix in self._suffixes else ".py"


def _load_settings(path: Path) -> _Settings:
    """Step 1: read ``[tool.black]``."""
    try:
        document = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        given = dict(document.get("tool", {}).get("black", {}))
        options = {key.replace("--", "").replace("-", "_"): given[key] for key in given}
        patterns = [_compile(options[key]) for key in _EXCLUDING if options.get(key)]
        included = _compile(options.get("include") or r"(\.pyi?|\.ipynb)$")
        requires = document.get("project", {}).get("requires-python")
    except (OSError, ValueError, TypeError, AttributeError, re.error) as error:
        message = f"unreadable configuration of black: {printable(str(error))}"
        raise GateError(message, _CORRECT) from error
    lines = [f"{key} = {_format_toml(options[key])}" for key in options if key not in _OURS]
    project = ["[project]", f"requires-python = {_format_toml(requires)}"] if requires else []
    toml = "\n".join(("[tool.black]", *lines, *project, ""))
    return _Settings(toml, tuple(patterns), included)


def _compile(regex: str) -> re.Pattern[str]:
    return re.compile(f"(?x){regex}" if "\n" in regex else regex)


def _format_toml(value: object) -> str:
    # Black's options are strings, numbers, booleans and lists of them. Any other value becomes
    # invalid TOML, and black refuses it.
    return json.dumps(value, ensure_ascii=False, default=str)


def _count_switches(copies: FileCopies) -> int:
    """Count the comments that switch formatting off."""
    names = (copies.directory / name for name in copies.originals)
    return sum(len(_SWITCH.findall(copy.read_bytes())) for copy in names)


def _run_black(task: Task, copies: FileCopies, toml: str) -> dict[str, str]:
    configuration = copies.directory / _CONFIGURATION
    try:
        configuration.write_text(toml, "utf-8")
    except OSError as error:
        raise unwritable_scratch(error) from error
    files = ("--config", str(configuration), "--", str(copies.directory))
    variables = {"BLACK_CACHE_DIR": str(task.scratch)}
    black = own_module("black", *_OPTIONS, *files)
    return _parse_records(run_linter(task, black, copies.directory, variables), copies)


def _parse_records(ended: ToolExit, copies: FileCopies) -> dict[str, str]:
    """Return black's record of each file: empty if clean, ``dirty``, or the reason of a failure.

    Raises:
        GateError: a file has no record or two, or the exit code does not agree with the records.
    """
    name = rf"\S*/{copies.directory.name}/(\d{{6}}\.\w+)"
    record = re.compile(
        rf"^(?:(would reformat) {name}|{name} (already well formatted, good job\.)"
        rf"|error: .*?{name}(.*))$"
    )
    records: dict[str, str] = {}
    times: Counter[str] = Counter()
    for match in filter(None, map(record.match, ended.errors.split("\n"))):
        dirty, first, second, _, third, reason = match.groups()
        path = copies.originals.get(first or second or third, "")
        records[path] = "dirty" if dirty else (reason.lstrip(": ") or "failed") if third else ""
        times[path] += 1
    if times != Counter(copies.originals.values()):  # 3
        counts = f"{len(records)} records for {len(copies.originals)} files"
        raise GateError(f"black reported {counts}: {ended.last_lines()}", _HINT)
    failed = any(one not in ("", "dirty") for one in records.values())
    expected = 123 if failed else int("dirty" in records.values())
    if ended.exit_code != expected:  # 4
        codes = f"exit code {ended.exit_code}, not {expected}"
        raise GateError(f"black contradicts its records: {codes}", _HINT)
    return records


def _build_report(
    records: Mapping[str, str], copies: FileCopies, facts: Mapping[str, int]
) -> Report:
    failed = {path: reason for path, reason in records.items() if reason not in ("", "dirty")}
    findings = tuple(
        Finding("black", "black would reformat this file", Severity.LOW, path=path)
        for path, record in sorted(records.items())
        if record == "dirty"
    )
    reasons = file_reasons({**failed, **copies.refused})
    return Report(
        findings,
        judged=len(records) - len(failed),
        unjudged=join_reasons(reasons, "black did not check: "),
        facts=facts,
    )
