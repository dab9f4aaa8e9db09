"""The interpreter of a project's environment: what its stages and tests run with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from resources.errors import ConfigurationError


def find_interpreter(root: Path, named: str | None, variables: Mapping[str, str]) -> Path | None:
    """Find the interpreter of a project's environment.

    It is what the settings name, else that of ``.venv`` in the project, else the first on PATH.

    Raises:
        ConfigurationError: the settings name what is not there.
    """
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
