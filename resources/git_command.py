"""The Git command: the one place that starts it, in the repository that a directory lies in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from resources.errors import UnavailableError

#: Where a hook's or an alias's Git says that its own repository is.
_LOCATION = {
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
}


def run_git(
    directory: Path, *arguments: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run Git in the repository that a directory lies in, whatever repository a caller is in.

    Raises:
        UnavailableError: Git is missing.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _LOCATION}
    try:
        return subprocess.run(
            ["git", "-C", os.fspath(directory), *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise UnavailableError(
            "git is not installed", "install Git, version 2.30 or newer"
        ) from error
