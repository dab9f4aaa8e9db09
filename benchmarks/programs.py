"""The programs under test: those beside this interpreter, with a small environment."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import NotPossible

SHELL = "/bin/sh"
# The only variables of the user's environment that a command gets.
_KEPT = ("PATH", "TMPDIR")


@dataclass(frozen=True)
class Program:
    """One command line.

    Attributes:
        shown: the command as a user would type it.
        command: the started command.
    """

    shown: str
    command: tuple[str, ...]

    def with_arguments(self, *arguments: str) -> Program:
        """Return the same with more arguments."""
        return Program(f"{self.shown} {shlex.join(arguments)}", (*self.command, *arguments))


@dataclass(frozen=True)
class Programs:
    """The programs of one Python environment."""

    python: Path
    ml_assets: Program
    dvc: Program

    @property
    def run(self) -> Program:
        """The measured command of this project."""
        return self.ml_assets.with_arguments("run")

    @property
    def repro(self) -> Program:
        """The peer."""
        return self.dvc.with_arguments("repro")

    def environment(self, home: Path) -> dict[str, str]:
        """Return the variables of every command that works in the repository at ``home``.

        ``python`` in a stage is from this environment. Each repository has its own DVC caches and
        settings.
        """
        user = home / "user"
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {
            **kept,
            "PATH": os.pathsep.join([str(self.python.parent), kept.get("PATH", os.defpath)]),
            "HOME": str(user),
            "LC_ALL": "C.UTF-8",
            "SHELL": SHELL,
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(home / "site"),
            "DVC_GLOBAL_CONFIG_DIR": str(user / "dvc-global"),
            "DVC_SYSTEM_CONFIG_DIR": str(user / "dvc-system"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Benchmark",
            "GIT_AUTHOR_EMAIL": "benchmark@example.invalid",
            "GIT_COMMITTER_NAME": "Benchmark",
            "GIT_COMMITTER_EMAIL": "benchmark@example.invalid",
        }


def find_programs(python: Path | None = None) -> Programs:
    """Find the programs beside an interpreter.

    Raises:
        NotPossible: no dvc beside it.
    """
    # Not resolved: a virtual environment works through this link.
    interpreter = python or Path(sys.executable)
    script, dvc = interpreter.with_name("ml-assets"), interpreter.with_name("dvc")
    if not dvc.is_file():
        raise NotPossible(f"no dvc beside: {interpreter.name}", "measure with: make bench")
    ours = (str(script),) if script.is_file() else (str(interpreter), "-m", "ml_assets.cli")
    return Programs(
        python=interpreter,
        ml_assets=Program("ml-assets", ours),
        dvc=Program("dvc", (str(dvc),)),
    )
