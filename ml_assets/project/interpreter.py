"""The interpreter of a project's environment: what its stages and tests run with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from resources.errors import ConfigurationError
from resources.git.repository import list_tracked


def find_interpreter(root: Path, named: str | None, variables: Mapping[str, str]) -> Path | None:
    """Find the interpreter of a project's environment.

    It is what the settings name, else that of ``.venv`` in the project, else the first on PATH.

    Raises:
        ConfigurationError: the settings name what is not there, or a commit brings it along: what
            is judged would say itself what mypy and pytest have found.
    """
    found = _find(root, named, variables)
    if found is not None:
        for place in _places(root, found):
            if list_tracked(root, place):
                raise ConfigurationError(
                    f"a commit brings its own Python environment: {place}",
                    f"make it outside of Git: git rm -r --cached {place}",
                )
    return found


def _find(root: Path, named: str | None, variables: Mapping[str, str]) -> Path | None:
    if named is not None:
        path = root / named
        if not path.is_file():
            raise ConfigurationError(
                f"no such interpreter: {path}", "set gates.python, or make the environment"
            )
        return path
    own = root / ".venv" / "bin" / "python"
    if own.is_file():
        return own
    for name in ("python3", "python"):
        found = shutil.which(name, path=variables.get("PATH", ""))
        if found is not None and os.path.isabs(found):
            return Path(found)
    return None


def _places(root: Path, interpreter: Path) -> Iterator[str]:
    """Yield what decides which program an interpreter of the project is, as Git calls it."""
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
