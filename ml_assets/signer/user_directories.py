"""The directories of the user and the project, found without reading a file of the project."""

from __future__ import annotations

import os
from pathlib import Path

#: The variable with the project's directory, for processes that Dagster starts.
PROJECT_VARIABLE = "ML_ASSETS_PROJECT"
#: The name of a mirror in the home of its watch.
MIRROR = "mirror.git"


def find_configuration() -> Path:
    """Find the user's configuration directory, with the keys."""
    named = os.environ.get("XDG_CONFIG_HOME") or ""
    home = Path(named) if os.path.isabs(named) else Path.home() / ".config"
    return home / "ml-assets"


def find_state_home() -> Path:
    """Find the user's state directory, for worktrees and mirrors that can be recreated."""
    named = os.environ.get("XDG_STATE_HOME") or ""
    home = Path(named) if os.path.isabs(named) else Path.home() / ".local" / "state"
    return home / "ml-assets"


def find_watches() -> Path:
    """Find the directory of the mirrors of watched branches and their worktrees."""
    return find_state_home() / "watch"


def find_start(named: Path | None = None) -> Path:
    """Find the directory in which the search for the project starts; it need not exist.

    Args:
        named: None takes the project of the environment, else the current directory.
    """
    return Path(os.path.abspath(named or os.environ.get(PROJECT_VARIABLE) or os.getcwd()))


def find_place(named: Path | None, root: Path) -> str:
    """Find the user's directory relative to the project (POSIX); ``.`` outside of it."""
    start = find_start(named)
    return start.relative_to(root).as_posix() if start.is_relative_to(root) else "."


def find_dvc_root(start: Path) -> Path | None:
    """Find the nearest directory upwards that holds ``.dvc``."""
    return next((one for one in (start, *start.parents) if (one / ".dvc").is_dir()), None)
