"""The Git command: the one place that starts it, in the repository that a directory lies in."""

from __future__ import annotations

import os
import re
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


_CREDENTIALS = re.compile(r"(\w+://)[^/@\s]+@")
#: A server must never be asked for a password: nobody would be there to type it.
_SILENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=15",
}


def run_git(
    directory: Path, *arguments: str, stdin: bytes = b"", timeout: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run Git in the repository that a directory lies in, whatever repository a caller is in.

    Args:
        timeout: seconds after which it is ended; it is then a call to another machine, at which
            nobody sits, and asks for nothing.

    Raises:
        UnavailableError: Git is missing, or did not end in time.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _LOCATION}
    if timeout is not None:
        environment = {**_SILENT, **environment, "GIT_TERMINAL_PROMPT": "0"}
    try:
        return subprocess.run(
            ["git", "-C", os.fspath(directory), *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=timeout,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"git did not end within {timeout:.0f} s: git {arguments[0]}", "look at the network"
        ) from error
    except FileNotFoundError as error:
        raise UnavailableError(
            "git is not installed", "install Git, version 2.30 or newer"
        ) from error


def decode_output(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return what Git has printed, without space around it."""
    return done.stdout.decode("utf-8", "replace").strip()


def explain_failure(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return why Git failed, as it says, without credentials."""
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "!"))] or lines
    return mask("; ".join(telling[:2])) or f"exit code {done.returncode}"


def mask(text: str) -> str:
    """Return a text without the credentials of URLs in it."""
    return _CREDENTIALS.sub(r"\1", text)
