"""Own tools: programs installed with ml-assets, which no checkout can replace."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from security.gates.interface import GateError, Task
from security.gates.tool.tool_process import REINSTALL, ToolCommand, ToolExit, run_tool

_MOST_ERRORS = 64 << 20  # bytes


def own_module(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command of a Python module in our own environment.

    ``-I`` ignores the current directory, ``PYTHON*`` variables and the user's packages.

    Raises:
        GateError: the module is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise _missing(name)
    return (sys.executable, "-I", "-m", name, *arguments)


def own_program(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command of a program that a package in our own environment installs.

    Raises:
        GateError: the program is not installed.
    """
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.is_file():
        raise _missing(name)
    return (str(path), *arguments)


def own_version(distribution: str) -> str:
    """Return the installed version of a tool of our own environment, without starting it.

    Raises:
        GateError: the tool is not installed.
    """
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise _missing(distribution) from error


def run_linter(
    task: Task,
    arguments: tuple[str, ...],
    directory: Path,
    variables: Mapping[str, str] | None = None,
    dropped: tuple[str, ...] = (),
) -> ToolExit:
    """Run a tool that parses the files under test and executes none of them.

    Its home, cache and temporary directory is the scratch directory. As it executes nothing, it
    also runs where the system cannot deny paths.

    Args:
        variables: additional environment variables.
        dropped: beginnings of the names of variables that the tool must not see.

    Raises:
        GateError: see ``run_tool``.
    """
    kept = {
        name: value
        for name, value in task.environment.items()
        if not (dropped and name.startswith(dropped))
    }
    private = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), str(task.scratch))
    return run_tool(
        ToolCommand(
            arguments,
            directory,
            {**kept, **private, **(variables or {})},
            task.timeout,
            task.view,
            most_errors=_MOST_ERRORS,
            unconfined_ok=True,
        )
    )


def _missing(name: str) -> GateError:
    return GateError(f"tool missing: {name}", REINSTALL)
