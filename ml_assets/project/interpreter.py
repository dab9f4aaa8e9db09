"""The Python interpreter of a project's stages and tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from resources.errors import ConfigurationError
from resources.git.repository import list_tracked


def find_interpreter(root: Path, named: str | None, variables: Mapping[str, str]) -> Path | None:
    """Find the interpreter of a project's environment.

    The order of precedence is: the settings, ``.venv`` in the project, the first one on PATH.

    Raises:
        ConfigurationError: the file does not exist, or a commit contains it: then the judged code
            could forge the findings of mypy and pytest.
    """
    found = _find(root, named, variables)
    if found is not None:
        for place in _places(root, found):
            if list_tracked(root, place):
                raise ConfigurationError(
                    f"Python environment tracked by Git: {place}",
                    f"remove it from Git: git rm -r --cached {place}",
                )
    return found


def _find(root: Path, named: str | None, variables: Mapping[str, str]) -> Path | None:
    if named is not None:
        path = root / named
        if not path.is_file():
            raise ConfigurationError(
                f"interpreter not found: {path}", "set gates.python, or create the environment"
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
