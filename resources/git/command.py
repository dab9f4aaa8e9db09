"""The Git command: the one place that starts Git, in the repository of a directory."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from resources.errors import UnavailableError

#: Variables with which a Git hook or alias points at its own repository, and the addresses of
#: signer and broker, which no program that Git starts needs.
_WITHHELD = {
    "ML_ASSETS_BROKER",
    "ML_ASSETS_SIGNER",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
}


#: The program to start in place of the Git that is found.
GIT_VARIABLE = "ML_ASSETS_GIT"
#: Replaced objects are not those that a commit names. Locks serve only to write the index.
_READING = {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
#: Configuration that starts programs of a repository's choice, off for each command.
_HARDENED = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "safe.bareRepository=explicit",  # a commit can hold files that look like a bare repository
)
_own_bare: set[Path] = set()

_CREDENTIALS = re.compile(r"(\w+://)[^/@\s]+@")
#: Prevent password prompts: a server has no terminal to answer them.
_SILENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=15",
}


def run_git(
    directory: Path, *arguments: str, stdin: bytes = b"", timeout: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run Git in the repository of a directory, even inside a Git hook of another repository.

    Args:
        timeout: seconds until Git is ended. Set it for each call over the network: Git then
            prompts for nothing.

    Raises:
        UnavailableError: Git is not installed, or ran into the timeout.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _WITHHELD}
    if timeout is not None:
        environment = {**_SILENT, **environment, "GIT_TERMINAL_PROMPT": "0"}
    named = (f"--git-dir={directory}",) if directory in _own_bare else ()
    hardened = (word for setting in _HARDENED for word in ("-c", setting))
    try:
        return subprocess.run(
            [find_git(), "-C", os.fspath(directory), *named, *hardened, *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=timeout,
            env={**environment, **_READING},
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"git {arguments[0]} timed out after {timeout:.0f} s",
            f"check the network: git -C {directory} ls-remote",
        ) from error
    except FileNotFoundError as error:
        raise UnavailableError(
            "git is not installed", "install Git 2.30 or newer, then check: git --version"
        ) from error


def find_git() -> str:
    """Find the Git to start: one that a stage cannot have left, where there is one.

    Stages can write into the user's directories, as many entries of PATH are.
    """
    return os.environ.get(GIT_VARIABLE) or _search(tuple(os.get_exec_path()))


@cache
def _search(directories: tuple[str, ...]) -> str:
    places = [Path(one) / "git" for one in directories if os.path.isabs(one)]
    found = [one for one in places if os.access(one, os.X_OK) and one.is_file()]
    mine = (Path.home(), Path.cwd(), Path(tempfile.gettempdir()))
    safe = [one for one in found if not any(one.is_relative_to(place) for place in mine)]
    return os.fspath(next(iter(safe or found), Path("git")))


def use_bare_repository(directory: Path) -> None:
    """Let Git use a bare repository that this program has created; it uses no other one."""
    _own_bare.add(directory)


def call_git(
    directory: Path, *arguments: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run Git and require that it succeeds.

    Raises:
        UnavailableError: Git is not installed, or failed.
    """
    done = run_git(directory, *arguments, stdin=stdin)
    if done.returncode != 0:
        command = next(one for one in arguments if not one.startswith("-"))
        raise git_failure(directory, command, done)
    return done


def git_failure(
    directory: Path, command: str, done: subprocess.CompletedProcess[bytes]
) -> UnavailableError:
    """Return the error for a Git command that failed, with the reason that Git printed."""
    return UnavailableError(
        f"git {command} failed: {explain_failure(done)}",
        f"check the repository: git -C {directory} fsck",
    )


def is_outside_git(done: subprocess.CompletedProcess[bytes]) -> bool:
    """Whether Git failed because the directory is not in a repository."""
    return done.returncode != 0 and b"not a git repository" in done.stderr


def decode_output(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the output of Git as text, without surrounding space."""
    return done.stdout.decode("utf-8", "replace").strip()


def split_names(output: bytes) -> list[str]:
    """Split the output of ``git … -z`` into file names."""
    return [os.fsdecode(name) for name in output.split(b"\0") if name]


def explain_failure(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the reason that Git printed for a failure, without credentials."""
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "!"))] or lines
    return mask("; ".join(telling[:2])) or f"exit code {done.returncode}"


def mask(text: str) -> str:
    """Remove the credentials from URLs in a text."""
    return _CREDENTIALS.sub(r"\1", text)
