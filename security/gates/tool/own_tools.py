"""Own tools: those that are installed with ml-assets, where no checkout can put another one."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import sysconfig
from pathlib import Path

from security.gates.interface import GateError

_REINSTALL = "install ml-assets again, with all that it needs"


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
