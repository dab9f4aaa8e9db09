"""Tool processes: the one place that starts a gate's tool, and what is told of how it ended."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from security.gates.interface import GateError

_REINSTALL = "install ml-assets again, with all that it needs"


@dataclass(frozen=True, slots=True)
class Command:
    """A tool to run.

    Attributes:
        arguments: the program, absolute, and its arguments.
        directory: where it works.
        environment: all of its variables.
        timeout: seconds.
        denied: paths that neither it nor its children may read or write.
        most_output: bytes of standard output; a tool that says more is ended.
        memory: address space in bytes of each of its processes; None sets no limit.
    """

    arguments: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]
    timeout: float
    denied: tuple[Path, ...] = ()
    most_output: int = 64 << 20
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a tool ended by itself.

    Attributes:
        output: what it wrote to standard output.
        errors: the end of what it wrote to standard error, at most 64 KiB.
    """

    exit_code: int
    output: bytes
    errors: str


def run_tool(command: Command) -> Ended:
    """Run a tool to its end; its standard input is empty. Whatever it leaves running is ended.

    Raises:
        GateError: it cannot be started, took too long, said too much, or was ended by a signal.
    """
    try:
        done = subprocess.run(
            command.arguments,
            cwd=command.directory,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=command.timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise GateError(f"still running after {command.timeout:g} s", "raise timeout") from error
    except OSError as error:
        raise GateError(f"cannot be started: {error}", _REINSTALL) from error
    return Ended(done.returncode, done.stdout, done.stderr[-65536:].decode("utf-8", "replace"))


def own_module(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command of a Python tool of our own environment, which the checkout cannot reach.

    ``-I`` keeps the current directory, PYTHON* variables and the user's packages out of it.

    Raises:
        GateError: it is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise GateError(f"tool missing: {name}", _REINSTALL)
    return (sys.executable, "-I", "-m", name, *arguments)


def own_program(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command of a program that a package of our own environment brings.

    Raises:
        GateError: it is not installed.
    """
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.is_file():
        raise GateError(f"tool missing: {name}", _REINSTALL)
    return (str(path), *arguments)


def own_version(distribution: str) -> str:
    """Return the version of a tool of our own environment, without starting it.

    Raises:
        GateError: it is not installed.
    """
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise GateError(f"tool missing: {distribution}", _REINSTALL) from error
