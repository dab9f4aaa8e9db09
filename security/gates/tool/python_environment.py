"""The project's Python environment: its interpreter and installed packages, read from its files.

No code of the environment is imported. The interpreter starts once, in isolated mode and without
``site``, so that no ``.pth`` file, ``sitecustomize`` or package runs. It reports the directories
that it would search, and the ``*.dist-info`` and ``*.egg-info`` in them are then read as text.

Not detected: directories that only ``PYTHONPATH`` or a line of code in a ``.pth`` file adds,
packages copied without metadata, and files changed after their installation.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from security.content.printable import printable
from security.gates.interface import GateError, Task
from security.gates.tool.installed_package import (
    InstalledPackage,
    canonical_name,
    read_packages,
    read_start,
)
from security.gates.tool.tool_process import ToolCommand, run_tool
from security.sandbox.file_view import FileView

_MARK = "ml-assets environment"
_HINT = "set the interpreter of the project's environment: gates.python"
_VERSION = re.compile(r"[A-Za-z0-9!+.*_-]{1,128}")

# Does what `site` does, without running code that it finds. `sys.prefix` is set because Debian's
# getsitepackages() checks it to detect a virtual environment.
_SCRIPT = f"""
import os, site, sys
directory = os.path.dirname(os.path.abspath(sys.executable))
marks = [os.path.join(d, "pyvenv.cfg") for d in (directory, os.path.dirname(directory))]
mark = next(filter(os.path.isfile, marks), None)
paths, settings = [], {{}}
if mark:
    lines = [line.partition("=") for line in open(mark, encoding="utf-8", errors="replace")]
    settings = {{key.strip().lower(): value.strip().lower() for key, _, value in lines}}
if not mark or settings.get("include-system-site-packages") == "true":
    paths += [] if os.environ.get("PYTHONNOUSERSITE") else [site.getusersitepackages()]
    paths += site.getsitepackages([sys.base_prefix, sys.base_exec_prefix])
if mark:
    sys.prefix = sys.exec_prefix = os.path.dirname(mark)
    paths[:0] = site.getsitepackages([sys.prefix])
version, kind = sys.version.split()[0], sys.implementation.name
version += "" if kind == "cpython" else "+" + kind
answer = [{_MARK!r}, version, sys.prefix, *paths, {_MARK!r}]
sys.stdout.buffer.write(b"\\0".join(map(os.fsencode, answer)))
"""


@dataclass(frozen=True, slots=True)
class PythonEnvironment:
    """An interpreter, and the packages with metadata that it can import.

    Attributes:
        version: of the interpreter: ``3.11.7``, or ``3.11.13+pypy`` if it is not CPython.
        prefix: the root directory of the environment.
        paths: the searched directories; the first that holds a package wins.
        installed: sorted by name; a name stands twice if one directory holds two versions.
        unreadable: metadata that cannot be read, with the reason. It belongs to an installed
            package, so a caller that needs all packages must not ignore it.
        duplicates: normalized names with two versions in one directory.
        sha256: digest of the interpreter version and all names, versions and revisions.
    """

    python: Path
    version: str
    prefix: str
    paths: tuple[str, ...]
    installed: tuple[InstalledPackage, ...]
    unreadable: tuple[str, ...]
    duplicates: tuple[str, ...]
    sha256: str

    def packages(self) -> tuple[InstalledPackage, ...]:
        """Return the installed packages, sorted by name."""
        return self.installed

    def version_of(self, distribution: str) -> str | None:
        """Return the installed version of a distribution; None if it is not installed.

        Raises:
            GateError: two versions are installed, so the imported one is unknown.
        """
        key = canonical_name(distribution)
        if key in self.duplicates:
            hint = f"reinstall {key} in the environment"
            raise GateError(f"installed twice in {self.prefix}: {key}", hint)
        return next((one.version for one in self.installed if one.key == key), None)


_Interpreter: TypeAlias = tuple[str, str, tuple[str, ...]]  # version, prefix, site directories
_interpreters: dict[tuple[object, ...], _Interpreter] = {}
_environments: dict[tuple[object, ...], PythonEnvironment] = {}


def environment_of(task: Task) -> PythonEnvironment:
    """Return the project's environment.

    Raises:
        GateError: the project has no environment, or it cannot be read.
    """
    if task.python is None:
        raise GateError("the project has no Python environment", _HINT)
    return read_environment(task.python, task.environment, view=task.view)


def tool_missing(name: str, environment: PythonEnvironment) -> GateError:
    """Return the error about a tool that is not installed in the project's environment."""
    hint = f"pip install {name} in this environment, or set another one: gates.python"
    return GateError(f"tool missing: {name} in {printable(environment.prefix)}", hint)


def read_environment(
    python: Path,
    variables: Mapping[str, str],
    view: FileView | None = None,
    timeout: float = 10.0,
) -> PythonEnvironment:
    """Read an environment; the interpreter starts only the first time.

    The result stays in memory until the interpreter or a directory that it searches changes.

    Args:
        python: absolute path of the interpreter.
        variables: environment variables of the interpreter.
        timeout: seconds.

    Raises:
        GateError: the interpreter is missing, is not a Python, or does not exit in time.
    """
    _, prefix, sites = found = _read_interpreter(python, variables, view, timeout)
    try:
        paths = _search(sites)
        key = (str(python), found, paths, tuple(os.stat(path).st_mtime_ns for path in paths))
        if key not in _environments:
            _environments[key] = _describe(python, found, paths)
        return _environments[key]
    except OSError as error:
        raise GateError(f"unreadable environment: {printable(prefix)}: {error}", _HINT) from error


def _read_interpreter(
    python: Path, variables: Mapping[str, str], view: FileView | None, timeout: float
) -> _Interpreter:
    """Return version, prefix and site directories of an interpreter."""
    if not os.access(python, os.X_OK):
        raise GateError(f"interpreter missing: {printable(str(python))}", _HINT)
    status = python.stat()
    home = [variables.get(name) for name in ("HOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE")]
    key = (str(python), status.st_mtime_ns, status.st_size, status.st_ino, *home)
    if key not in _interpreters:
        arguments = (str(python), "-I", "-S", "-B", "-c", _SCRIPT)
        command = ToolCommand(arguments, Path("/"), variables, timeout, view, most_output=1 << 16)
        try:
            ended = run_tool(command)
        except GateError as error:
            raise GateError(f"interpreter {printable(str(python))}: {error}", _HINT) from error
        _interpreters[key] = _parse_interpreter(str(python), ended.exit_code, ended.output)
    return _interpreters[key]


def _parse_interpreter(python: str, exit_code: int, output: bytes) -> _Interpreter:
    fields = [os.fsdecode(field) for field in output.split(b"\0")]
    whole = len(fields) > 4 and fields[0] == fields[-1] == _MARK and _VERSION.fullmatch(fields[1])
    if exit_code != 0 or not whole or not all(map(os.path.isabs, fields[2:-1])):
        shown = printable(fields[0], 80) or "no output"
        message = f"not a Python interpreter: {printable(python)}: {shown}, exit code {exit_code}"
        raise GateError(message, _HINT)
    return fields[1], fields[2], tuple(dict.fromkeys(fields[3:-1]))


def _search(sites: tuple[str, ...]) -> tuple[str, ...]:
    """List the searched directories: each site, then those that its ``.pth`` files name."""
    named = (path for site in sites for path in (site, *_named_directories(site)))
    return tuple(path for path in dict.fromkeys(named) if os.path.isdir(path))


def _named_directories(site: str) -> Iterator[str]:
    """List the directories that ``.pth`` files name; their lines of code do not run."""
    for name in sorted(os.listdir(site)) if os.path.isdir(site) else ():
        if name.endswith(".pth") and not name.startswith("."):
            text = read_start(os.path.join(site, name)).decode("utf-8", "surrogateescape")
            for line in map(str.strip, text.split("\n")):
                if line and "\0" not in line and not line.startswith(("#", "import ", "import\t")):
                    yield os.path.normpath(os.path.join(site, line))


def _describe(python: Path, found: _Interpreter, paths: tuple[str, ...]) -> PythonEnvironment:
    packages: dict[str, list[InstalledPackage]] = {}
    unreadable: list[str] = []
    for path in paths:
        here: dict[str, list[InstalledPackage]] = {}
        for package in read_packages(path, path in found[2], unreadable):
            same = here.setdefault(package.key, [])
            if package.version not in {one.version for one in same}:  # Debian writes some twice
                same.append(package)
        packages = {**here, **packages}  # an earlier directory hides a later one
    installed = tuple(one for key in sorted(packages) for one in packages[key])
    twice = tuple(key for key in sorted(packages) if len(packages[key]) > 1)
    digest = _digest(found[0], installed, unreadable)
    return PythonEnvironment(python, *found[:2], paths, installed, tuple(unreadable), twice, digest)


def _digest(version: str, installed: tuple[InstalledPackage, ...], unreadable: list[str]) -> str:
    lines = [f"python {version}"]
    lines += [f"{one.key} {one.version} {one.revision}" for one in installed]
    lines += sorted(f"unreadable {os.path.basename(one.split(': ')[0])}" for one in unreadable)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
