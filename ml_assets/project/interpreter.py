"""The Python interpreter of a project's stages, gates and tests: one rule for all of them.

The order of precedence: the setting ``gates.python``, ``.venv`` in the project, the first Python on
``PATH``. The environment of this program, if it is not the project's own, gives way to an active
environment (``VIRTUAL_ENV``, ``CONDA_PREFIX``) and to other environments on ``PATH``. A bare system
Python does not replace it, because it rarely has the project's packages; but pipx and uv install
this program alone, so behind their environments any Python counts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from resources.errors import ConfigurationError
from resources.git.repository import list_tracked

_NAMES = ("python", "python3")
#: The files that mark an environment: a virtual one, and one of conda.
_MARKS = ("pyvenv.cfg", "conda-meta")
#: The files by which pipx and uv mark an environment with one application in it.
_APPLICATION = ("pipx_metadata.json", "uv-receipt.toml")


class InterpreterOrigin(Enum):
    """Why an interpreter is the project's."""

    SETTING = "set in gates.python"
    PROJECT = "the project's .venv"
    ACTIVE = "the active environment"
    PATH = "first on PATH"
    BEHIND = "on PATH, behind the environment of ml-assets"
    FOREIGN = "the environment of ml-assets"


@dataclass(frozen=True)
class Interpreter:
    """The interpreter of a project.

    Attributes:
        path: absolute, with links as they are: an environment is found by its link.
        others: directories on PATH with other interpreters that must not answer for it.
    """

    path: Path
    origin: InterpreterOrigin
    others: frozenset[str] = frozenset()

    @property
    def notices(self) -> list[str]:
        """Say which interpreter it is, and warn about that of this program."""
        said = f"Python of stages and gates: {self.path} ({self.origin.value})"
        if self.origin is not InterpreterOrigin.FOREIGN:
            return [said]
        warning = "stages run in the environment of ml-assets, because the project has none"
        return [said, f"warning: {warning}: create .venv, or set gates.python"]

    def adapt(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return variables with which ``python`` means this interpreter."""
        adapted = dict(variables)
        path = variables.get("PATH", "")
        if self.others:
            path = os.pathsep.join(one for one in path.split(os.pathsep) if one not in self.others)
        if next(_list_programs(path), None) != self.path:
            path = os.pathsep.join(filter(None, (os.fspath(self.path.parent), path)))
        if path == variables.get("PATH", ""):
            return adapted
        adapted["PATH"] = path
        prefix = self.path.parent.parent
        adapted.pop("VIRTUAL_ENV", None)
        if (prefix / "pyvenv.cfg").is_file():
            adapted["VIRTUAL_ENV"] = os.fspath(prefix)
        return adapted


def choose_interpreter(
    root: Path, named: str | None, variables: Mapping[str, str], ours: Path | None = None
) -> Interpreter | None:
    """Choose the interpreter of a project's environment; None if the machine has none.

    Args:
        named: the setting ``gates.python``.
        ours: the environment of this program; None for that of this process.

    Raises:
        ConfigurationError: the file does not exist, or a commit contains it: then the judged code
            could forge the findings of mypy and pytest.
    """
    found = _choose(root, named, variables, Path(sys.prefix) if ours is None else ours)
    if found is not None:
        for place in _places(root, found.path):
            if list_tracked(root, place):
                raise ConfigurationError(
                    f"Python environment tracked by Git: {place}",
                    f"remove it from Git: git rm -r --cached {place}",
                )
    return found


def _choose(
    root: Path, named: str | None, variables: Mapping[str, str], ours: Path
) -> Interpreter | None:
    if named is not None:
        path = Path(os.path.normpath(root / named))
        if not path.is_file():
            raise ConfigurationError(
                f"interpreter not found: {path}", "set gates.python, or create the environment"
            )
        return Interpreter(path, InterpreterOrigin.SETTING)
    own = root / ".venv" / "bin" / "python"
    if own.is_file():
        return Interpreter(own, InterpreterOrigin.PROJECT)
    on_path = list(_list_programs(variables.get("PATH", "")))
    if not on_path:
        return None
    if not _lies_in(on_path[0], ours) or not _is_environment(ours) or _is_own(root, ours):
        return Interpreter(on_path[0], InterpreterOrigin.PATH)
    return _find_behind(on_path, variables, ours) or Interpreter(
        on_path[0], InterpreterOrigin.FOREIGN
    )


def _find_behind(
    on_path: Iterable[Path], variables: Mapping[str, str], ours: Path
) -> Interpreter | None:
    """Find what the environment of this program, first on PATH, gives way to."""
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        active = os.path.join(variables.get(name, ""), "bin")
        for path in _list_programs(active):
            if not _lies_in(path, ours):
                return Interpreter(path, InterpreterOrigin.ACTIVE)
    is_application = any((ours / name).exists() for name in _APPLICATION)
    hidden = frozenset(os.fspath(one.parent) for one in on_path if _lies_in(one, ours))
    for path in on_path:
        if not _lies_in(path, ours):
            if _is_environment(path.parent.parent):
                return Interpreter(path, InterpreterOrigin.BEHIND)
            if is_application:
                return Interpreter(path, InterpreterOrigin.BEHIND, hidden)
    return None


def _list_programs(path: str) -> Iterator[Path]:
    """Yield the interpreter that each absolute directory of a PATH has."""
    for directory in filter(os.path.isabs, path.split(os.pathsep)):
        for name in _NAMES:
            program = Path(directory, name)
            if program.is_file() and os.access(program, os.X_OK):
                yield program
                break


def _lies_in(program: Path, prefix: Path) -> bool:
    return os.path.realpath(program.parent) == os.path.join(os.path.realpath(prefix), "bin")


def _is_environment(prefix: Path) -> bool:
    return any((prefix / mark).exists() for mark in _MARKS)


def _is_own(root: Path, prefix: Path) -> bool:
    """Whether an environment of this program is the project's own: in it, or with it installed."""
    if Path(os.path.realpath(prefix)).is_relative_to(os.path.realpath(root)):
        return True
    installed = f'"{Path(os.path.realpath(root)).as_uri()}"'  # as PEP 610 records it
    records = prefix.glob("lib/python*/site-packages/*.dist-info/direct_url.json")
    return any(installed in one.read_text("utf-8", "replace") for one in records)


def _places(root: Path, interpreter: Path) -> Iterator[str]:
    """Yield the paths, relative to Git, that decide which program an interpreter is."""
    path = os.path.relpath(os.path.abspath(interpreter), root)
    if path.startswith(".."):
        return
    yield path
    prefix = os.path.dirname(os.path.dirname(path))
    if prefix:
        yield prefix
    while path := os.path.dirname(path):
        if (root / path).is_symlink():
            yield path
