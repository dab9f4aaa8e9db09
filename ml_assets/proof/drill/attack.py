"""The attack of a drill, and its outcome."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ml_assets.signer.door import BROKER_VARIABLE
from security.verdict import Verdict

#: A secret that the commands of a drill have in their environment.
SECRET = "DRILL_TOKEN"  # nosec B105  # the name of a variable
_SECONDS = 600.0
#: Servers of the drill are on this machine.
_VARIABLES = {"DVC_NO_ANALYTICS": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
#: Directories that are not copied: they are derived, and no attack changes them.
_LEFT_OUT = (".venv", "node_modules", "__pycache__", ".mypy_cache", ".pytest_cache")


@dataclass(frozen=True, slots=True)
class AttackOutcome:
    """The outcome of an attack.

    Attributes:
        verdict: ``passed`` if it was caught, ``failed`` if it went unnoticed, ``error`` if it could
            not be tried.
        by: the command that has to notice it.
        detail: the command's message.
    """

    attack: str
    verdict: Verdict
    by: str
    detail: str


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What a command has answered.

    Attributes:
        said: its first messages, on one line.
        output: its standard output.
        errors: its standard error.
    """

    code: int
    said: str
    output: str
    errors: str


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack, with the command that has to notice it.

    Attributes:
        words: the command's arguments.
        attack: changes the copy. Raises LookupError, OSError or ValueError if it cannot.
        noticed: decides by the command's answer whether it noticed the attack. Raises as ``attack``
            if the command did not get there.
        prepare: changes the copy so that there is something to attack; the command must pass
            afterwards. Raises as ``attack``.
    """

    name: str
    words: tuple[str, ...]
    attack: Callable[[], None]
    noticed: Callable[[CommandAnswer], bool] = lambda answer: answer.code != 0
    prepare: Callable[[], None] | None = None


def ask(directory: Path, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program of our environment to its end, without the broker of the real project."""
    ours = {name: value for name, value in os.environ.items() if name != BROKER_VARIABLE}
    return subprocess.run(
        [sys.executable, "-P", "-m", module, *words],
        cwd=directory,
        env={**ours, **_VARIABLES, SECRET: "a secret of the user"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_SECONDS,
        check=False,
    )


def copy_project(source: Path, target: Path) -> None:
    """Copy a project without what is derived."""
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))


def flip(path: Path) -> None:
    """Change one bit in the middle of a file, or of the first file of a directory."""
    path = first_file(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.unlink()
    path.write_bytes(content)


def set_user_id(path: Path) -> None:
    """Set the set-user-ID bit of a file, or of the first file of a directory."""
    path = first_file(path)
    path.chmod(path.stat().st_mode | stat.S_ISUID)


def first_file(path: Path) -> Path:
    """Return a file, or the first file of a directory."""
    return sorted(one for one in path.rglob("*") if one.is_file())[0] if path.is_dir() else path
