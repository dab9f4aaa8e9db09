"""The gate ``types``: type errors that the project's own mypy finds.

1. Mypy comes from the project's environment, because it needs the packages installed there. It
   starts in isolated mode and without ``site``, with the directories of the environment read from
   its files. So no module of the tree can replace one of mypy's, and no code runs from a ``.pth``
   file or from the ``sitecustomize.py`` of an editable installation.
2. Mypy gets exactly one configuration file, that of the protected branch. Without one it gets none:
   neither that of a parent directory nor that of the user.
3. A plugin is code that decides what mypy finds. If the configuration names it by path, or if it is
   a module of the tree, it must be listed in ``configuration``; otherwise the gate is in error.
4. Mypy exits with 0 even if it does not understand its configuration, so its complaints count.
5. The gate reads text, because mypy's JSON does not hold the numbers of checked files and errors.
   The last line must hold them, and they must agree with the errors read and the exit code.
6. A script without the suffix is checked as a module beside it.
7. Mypy uses no cache, unless a directory is given that no code under test can write to.
"""

from __future__ import annotations

import configparser
import fnmatch
import posixpath
import re
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.context import GateContext
from security.gates.interface import GateError, Kind, Place, Report, Task, Tool
from security.gates.python.script_modules import write_modules
from security.gates.tool.python_environment import environment_of, tool_missing
from security.gates.tool.tool_process import ToolCommand, ToolExit, run_tool

_SOURCES = (".py", ".pyi")
# In mypy's order; the last two only if they speak of mypy.
_CONFIGURATION = ("mypy.ini", ".mypy.ini", "pyproject.toml", "setup.cfg")
_TARGETS = ("files", "packages", "modules")
_OPTIONS = (
    *("--no-pretty", "--no-color-output", "--show-error-codes", "--show-column-numbers"),
    *("--hide-error-context", "--hide-error-end", "--error-summary"),
)
_SCRIPT = """
import sys
count = int(sys.argv[1])
sys.path += sys.argv[2:2 + count]
sys.argv[:] = ["mypy", *sys.argv[2 + count:]]
from mypy.__main__ import console_entry
console_entry()
"""
_LINE = re.compile(r"(?P<path>.+?):(?:(?P<line>\d+):)?(?:(?P<column>\d+):)? (?P<kind>error|note): ")
_CODE = re.compile(r"  \[(?P<code>[a-z][a-z0-9-]*)\]$")
_CLEAN = re.compile(r"Success: no issues found in (\d+) source files?")
_DIRTY = re.compile(r"Found (\d+) errors? in \d+ files? \(checked (\d+) source files?\)")
_SILENCING = re.compile(rb"#\s*(?:type:\s*ignore|mypy:)")
_HINT = "run mypy in the project's environment to see its output"


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the protected branch that decide how mypy is called."""

    path: str = ""
    has_targets: bool = False
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeCheckGate:
    """Check the types of the source tree with mypy.

    Attributes:
        configuration: patterns of more files to read from the protected branch, such as plugins.
        cache: directory of mypy's cache, which no code under test can write to; None uses none.
        is_script: says whether a file of the tree is Python without the suffix.
    """

    configuration: tuple[str, ...] = ()
    cache: Path | None = None
    is_script: Callable[[str], bool] = lambda path: False
    name: str = field(default="types", init=False)
    kind: Kind = field(default=Kind.SOURCE, init=False)
    place: Place = field(default=Place.COPY, init=False)

    @classmethod
    def from_context(cls, context: GateContext) -> TypeCheckGate:
        """Build the gate for a project."""
        return cls(is_script=context.project.python_files.is_script)

    def reads(self, path: str) -> bool:
        """Say whether mypy reads a file."""
        typed = path.split("/")[-1] == "py.typed"
        return _is_source(path) or typed or self.configures(path) or self.is_script(path)

    def configures(self, path: str) -> bool:
        """Say whether a file decides what mypy finds."""
        return path in _CONFIGURATION or any(
            fnmatch.fnmatchcase(path, pattern) for pattern in self.configuration
        )

    def tool(self, task: Task) -> Tool:
        """Return the mypy of the project's environment.

        Raises:
            GateError: mypy is not installed there, or the project has no environment.
        """
        environment = environment_of(task)
        version = environment.version_of("mypy")
        if version is None:
            raise tool_missing("mypy", environment)
        return Tool("mypy", version, {"environment": environment.sha256})

    def judge(self, task: Task) -> Report:
        """Run mypy and report each of its errors.

        Raises:
            GateError: mypy is missing, crashed, or its output contradicts itself.
        """
        self.tool(task)
        modules = write_modules(task.directory, task.files, self._is_module)  # 6
        given = (path for path in task.files if _is_source(path))
        sources = [*modules, *(path for path in given if path not in modules.values())]
        if not sources:
            raise GateError("no Python files to check", "remove the gate types from the policy")
        settings = _load_settings(task.directory)
        self._refuse_tree_plugins(settings, task.files)
        ended = run_tool(self._command(task, settings))
        known = dict.fromkeys(task.files) | modules
        findings, checked = _parse_output(ended, known, settings.path)
        facts = {
            "checked_files": checked,
            "files": len(sources),
            "silenced_comments": sum(_count_silencing(task.directory / path) for path in sources),
        }
        return Report(findings, checked, None, facts)

    def _is_module(self, path: str) -> bool:
        typed = path.split("/")[-1] == "py.typed"
        return not (_is_source(path) or typed or self.configures(path))

    def _command(self, task: Task, settings: _Settings) -> ToolCommand:
        scratch = tempfile.mkdtemp(prefix="types-", dir=task.scratch)
        paths = environment_of(task).paths
        arguments = (
            *(str(task.python), "-I", "-S", "-c", _SCRIPT, str(len(paths)), *paths, *_OPTIONS),
            *(f"--config-file={settings.path}", f"--python-executable={task.python}"),
            f"--cache-dir={self.cache or '/dev/null'}",
            *(() if settings.has_targets else (".",)),
        )
        dropped = ("MYPY", "FORCE_COLOR", "NO_COLOR")
        kept = {name: v for name, v in task.environment.items() if not name.startswith(dropped)}
        variables = {**kept, "TMPDIR": scratch}
        return ToolCommand(arguments, task.directory, variables, task.timeout, task.view)

    def _refuse_tree_plugins(self, settings: _Settings, files: tuple[str, ...]) -> None:
        """Step 3: refuse plugins that the branch under test can change."""
        for plugin in settings.plugins:
            for path in _plugin_files(plugin, files):
                if not self.configures(path):
                    shown = printable(path)
                    hint = f"add {shown} to the setting configuration of the gate types"
                    raise GateError(f"mypy plugin in the source tree: {shown}", hint)


def _is_source(path: str) -> bool:
    return path.endswith(_SOURCES)


def _plugin_files(plugin: str, files: tuple[str, ...]) -> list[str]:
    """Return the files of the tree that a plugin may be loaded from."""
    name = re.sub(r":\w+$", "", plugin)
    if name.endswith(".py"):
        return [posixpath.normpath(name)]
    module = name.replace(".", "/")
    ends = (f"{module}.py", f"{module}/__init__.py")
    return [path for path in files if path in ends or path.endswith(tuple(f"/{e}" for e in ends))]


def _load_settings(directory: Path) -> _Settings:
    """Return the settings of the first configuration file in mypy's order."""
    for name in _CONFIGURATION:
        try:
            text = (directory / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise _bad_configuration(name, error) from error
        values = _parse_settings(name, text)
        if values is not None:
            return _Settings(
                name, any(values.get(key) for key in _TARGETS), _split(values.get("plugins", ()))
            )
    return _Settings()


def _parse_settings(name: str, text: str) -> Mapping[str, Any] | None:
    """Return mypy's section; None if a file shared with other tools has no such section."""
    try:
        if name.endswith(".toml"):
            section = tomllib.loads(text).get("tool", {}).get("mypy")
            return None if section is None else dict(section)
        parser = configparser.RawConfigParser()
        parser.read_string(text)
    except (ValueError, TypeError, configparser.Error, AttributeError, RecursionError) as error:
        raise _bad_configuration(name, error) from error
    if parser.has_section("mypy"):
        return dict(parser["mypy"])
    return None if name == "setup.cfg" else {}


def _bad_configuration(name: str, error: Exception) -> GateError:
    why = printable(str(error).splitlines()[0] if str(error) else type(error).__name__)
    return GateError(f"unreadable configuration of mypy: {name}: {why}", f"correct {name}")


def _split(value: object) -> tuple[str, ...]:
    words = re.split(r"[,\n]", value) if isinstance(value, str) else value
    if not isinstance(words, list | tuple):
        raise GateError("unreadable configuration of mypy: plugins", "make plugins a list")
    return tuple(word.strip() for word in map(str, words) if word.strip())


def _parse_output(
    ended: ToolExit, files: Mapping[str, str | None], config: str
) -> tuple[tuple[Finding, ...], int]:
    """Steps 4 and 5: return findings and the number of checked files, if everything agrees."""
    complaints = [line for line in ended.errors.splitlines() if line.startswith(f"{config}:")]
    if config and complaints:
        raise _bad_configuration(config, ValueError(complaints[0][len(config) + 2 :]))
    lines = ended.output.decode("utf-8", "replace").strip("\n").split("\n")
    summary = lines.pop()
    if match := _CLEAN.fullmatch(summary):
        count, checked, expected = 0, int(match[1]), 0
    elif match := _DIRTY.fullmatch(summary):
        count, checked, expected = int(match[1]), int(match[2]), 1
    else:
        complaint = ended.errors.strip().splitlines()[-1:] or [*lines, summary][:1]
        why = printable(complaint[0] or "no output")
        raise GateError(f"mypy failed, exit code {ended.exit_code}: {why}", _HINT)
    findings = tuple(_parse_errors(lines, files))
    if ended.exit_code != expected or count != len(findings) or not checked:
        read = f"{len(findings)} of {count} errors read, {checked} files checked"
        raise GateError(f"mypy contradicts itself: {read}, exit code {ended.exit_code}", _HINT)
    return findings, checked


def _parse_errors(lines: list[str], files: Mapping[str, str | None]) -> list[Finding]:
    """Parse errors; any other line continues the message before it.

    Args:
        files: the files; for a module made of a script, the script's path.
    """
    findings: list[Finding] = []
    for text in lines:
        match = _LINE.match(text)
        if match is None or match["kind"] == "note":
            continue
        path = match["path"].removeprefix("./")
        known = path in files
        path = files.get(path) or path
        code = _CODE.search(text)
        message = printable(text[match.end() : code.start() if code else None], 500)
        line = int(match["line"]) if match["line"] else None
        column = int(match["column"]) if match["column"] else None
        where = Finding("mypy", message, Severity.MEDIUM, path=printable(path), line=line)
        named = replace(where, id=code["code"]) if code else where
        findings.append(replace(named, column=column) if known else named)
    return findings


def _count_silencing(path: Path) -> int:
    """Count the comments that silence mypy, which does not report what they hide."""
    try:
        return len(_SILENCING.findall(path.read_bytes()))
    except OSError as error:
        message = f"unreadable file: {printable(path.name)}: {error.strerror}"
        raise GateError(message, "run the gate again") from error
