"""The gate ``format``: files that black would write otherwise.

Black prints names, and lines of what it cannot read, among its records. So it is not given the tree
itself but copies of the files, numbered, in a directory that is named after the digest of them all:
no text in them can hold that name, and so no text in them can pass for a record.

1. What the configuration leaves out is found with black's own rules, counted, and not handed over.
   Black's built-in list is not applied: what Git tracks is source, in ``build/`` too.
2. Every file handed over must have exactly one record: clean, would be reformatted, or failed.
3. Exit code and records must say the same.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.tool.own_tools import own_module, own_version
from security.gates.tool.tool_process import Command, Ended, run_tool

_CONFIGURATION = "pyproject.toml"
_OPTIONS = ("--check", "--verbose", "--no-cache", "--no-color", "--safe", "--exclude", "")
_SELECTING = ("exclude", "extend_exclude", "force_exclude")
# Ours to decide: what is looked at, how it is reported, and where black may write.
_OURS = frozenset(
    (*_SELECTING, "include", "cache_dir", "check", "code", "color", "diff", "fast", "no_cache")
    + ("quiet", "safe", "src", "stdin_filename", "verbose", "workers", "write_back")
)
_SILENCING = re.compile(rb"#\s*(?:fmt:\s*(?:off|skip)|yapf:\s*disable)")
_HINT = "run black --check --verbose on the project and see what it says"
_CHECK_CONFIGURATION = f"correct [tool.black] in {_CONFIGURATION} of the protected branch"


@dataclass(frozen=True, slots=True)
class _Settings:
    """What ``pyproject.toml`` says: the part that black gets, and which files it leaves out."""

    toml: str
    left_out: tuple[re.Pattern[str], ...]
    included: re.Pattern[str]

    def leaves_out(self, path: str) -> bool:
        """Say whether a file is left out, or a directory that it is in, as black decides it."""
        above = [f"/{parent}/" for parent in PurePosixPath(path).parents if parent.name]
        for rooted in (*above, f"/{path}"):
            matches = (pattern.search(rooted) for pattern in self.left_out)
            if any(match and match.group(0) for match in matches):
                return True
        return self.included.search(f"/{path}") is None


class FormatGate:
    """Judge the layout of Python files (and of notebooks, where black can read them)."""

    name = "format"
    kind = Kind.SOURCE
    place = Place.COPY

    def __init__(self) -> None:
        reads_notebooks = all(map(importlib.util.find_spec, ("IPython", "tokenize_rt")))
        self._suffixes = (".py", ".pyi", ".ipynb") if reads_notebooks else (".py", ".pyi")

    def reads(self, path: str) -> bool:
        """Say whether it reads a file: Python and stub files, and the configuration."""
        return path.endswith(self._suffixes) or path == _CONFIGURATION

    def configures(self, path: str) -> bool:
        """Say whether a file is configuration."""
        return path == _CONFIGURATION

    def tool(self, task: Task) -> Tool:
        """Return black, its version, and how it is called.

        Raises:
            GateError: it is not there.
        """
        own_module("black")
        configuration: dict[str, Json] = {
            "options": list(_OPTIONS),
            "python": platform.python_version(),
            "suffixes": list(self._suffixes),
        }
        return Tool("black", own_version("black"), configuration)

    def judge(self, task: Task) -> Report:
        """Find the files that would be reformatted.

        Raises:
            GateError: black is missing, crashed, or said what does not add up.
        """
        settings = _load_settings(task.directory / _CONFIGURATION)
        sources = [path for path in task.files if not self.configures(path)]
        wanted = [path for path in sources if not settings.leaves_out(path)]
        try:
            handed = _hand_over(task, wanted, settings.toml)
        except OSError as error:
            raise GateError(f"scratch directory: {error}", "make room, and try again") from error
        if not handed.names:
            return _report({}, handed, len(sources) - len(wanted))
        done = _run_black(task, handed.directory)
        return _report(_read_records(done, handed), handed, len(sources) - len(wanted))


@dataclass(frozen=True, slots=True)
class _Handed:
    """Copies of the files to judge: where, which file each is, and what could not be copied."""

    directory: Path
    names: Mapping[str, str]
    refused: Mapping[str, str]
    silencing: int


def _load_settings(path: Path) -> _Settings:
    try:
        document = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        given = dict(document.get("tool", {}).get("black", {}))
        options = {key.replace("--", "").replace("-", "_"): given[key] for key in given}
        patterns = [_compile(options[key]) for key in _SELECTING if options.get(key)]
        included = _compile(options.get("include") or r"(\.pyi?|\.ipynb)$")
        requires = document.get("project", {}).get("requires-python")
    except (OSError, ValueError, TypeError, AttributeError, re.error) as error:
        message = f"{_CONFIGURATION} cannot be read: {printable(str(error))}"
        raise GateError(message, _CHECK_CONFIGURATION) from error
    lines = [f"{key} = {_as_toml(options[key])}" for key in options if key not in _OURS]
    project = ["[project]", f"requires-python = {_as_toml(requires)}"] if requires else []
    toml = "\n".join(("[tool.black]", *lines, *project, ""))
    return _Settings(toml, tuple(patterns), included)


def _compile(regex: str) -> re.Pattern[str]:
    return re.compile(f"(?x){regex}" if "\n" in regex else regex)


def _as_toml(value: object) -> str:
    # The values of black's options are texts, numbers, truth values and lists of them. What else
    # there is comes out as no TOML, and black refuses it.
    return json.dumps(value, ensure_ascii=False, default=str)


def _hand_over(task: Task, wanted: list[str], toml: str) -> _Handed:
    """Copy the files under numbers into a directory that nothing in them can name."""
    new = task.scratch / "format"
    new.mkdir()
    digest, silencing = hashlib.sha256(), 0
    names, refused = {}, {}
    for number, path in enumerate(wanted):
        try:
            content = _read_regular(task.directory / path)
        except OSError as error:
            refused[path] = error.strerror or "cannot be read"
            continue
        name = f"{number:06}{PurePosixPath(path).suffix}"
        (new / name).write_bytes(content)
        digest.update(hashlib.sha256(content).digest())
        silencing += len(_SILENCING.findall(content))
        names[name] = path
    (new / _CONFIGURATION).write_text(toml, "utf-8")
    directory = new.rename(task.scratch / digest.hexdigest())
    return _Handed(directory, names, refused, silencing)


def _read_regular(path: Path) -> bytes:
    if path.is_symlink():
        raise OSError(0, "a symbolic link")
    return path.read_bytes()


def _run_black(task: Task, directory: Path) -> Ended:
    configuration = ("--config", str(directory / _CONFIGURATION))
    black = own_module("black", *_OPTIONS, *configuration, "--", str(directory))
    private = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), str(task.scratch))
    # Black's records go to standard error, of which only the end is kept.
    arguments = ("/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *black)
    environment = {**task.environment, **private, "BLACK_CACHE_DIR": str(task.scratch)}
    command = Command(arguments, directory, environment, task.timeout, task.denied)
    return run_tool(replace(command, unconfined_ok=True))  # it runs nothing of what it reads


def _read_records(done: Ended, handed: _Handed) -> dict[str, str]:
    """Return what black said of each file: empty for clean, ``dirty``, or why it failed.

    Raises:
        GateError: a file has no record or two, or the exit code is not that of the records.
    """
    name = rf"\S*/{handed.directory.name}/(\d{{6}}\.\w+)"
    record = re.compile(
        rf"^(?:(would reformat) {name}|{name} (already well formatted, good job\.)"
        rf"|error: .*?{name}(.*))$"
    )
    said: dict[str, str] = {}
    times: Counter[str] = Counter()
    text = done.output.decode("utf-8", "replace")
    for match in filter(None, map(record.match, text.split("\n"))):
        dirty, first, second, _, third, reason = match.groups()
        path = handed.names.get(first or second or third, "")
        said[path] = "dirty" if dirty else (reason.lstrip(": ") or "failed") if third else ""
        times[path] += 1
    if times != Counter(handed.names.values()):
        what = f"black had {len(said)} records for {len(handed.names)} files"
        raise GateError(f"{what}: {printable(text[-300:], 300)}", _HINT)
    failed = any(one not in ("", "dirty") for one in said.values())
    expected = 123 if failed else int("dirty" in said.values())
    if done.exit_code != expected:
        raise GateError(f"exit code of black: {done.exit_code}, not {expected}", _HINT)
    return said


def _report(said: Mapping[str, str], handed: _Handed, left_out: int) -> Report:
    failed = {path: reason for path, reason in said.items() if reason not in ("", "dirty")}
    reasons = [f"{printable(path)}: {printable(reason)}" for path, reason in failed.items()]
    reasons += [f"{printable(path)}: {reason}" for path, reason in handed.refused.items()]
    findings = tuple(
        Finding("black", "black would reformat it", Severity.LOW, path=path)
        for path, outcome in sorted(said.items())
        if outcome == "dirty"
    )
    more = f" and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    return Report(
        findings,
        judged=len(said) - len(failed),
        unjudged=f"not readable for black: {'; '.join(reasons[:5])}{more}" if reasons else None,
        facts={"left_out": left_out, "formatting_switched_off": handed.silencing},
    )
