"""Leftover processes: background processes of a stage command, in any session.

The kernel makes an orphaned process a child of the nearest *subreaper* above it (prctl(2),
``PR_SET_CHILD_SUBREAPER``). This process becomes a subreaper, so leftovers become its children.
This works on Linux only; on other systems leftovers in other sessions are not found.

A subreaper must also wait for its adopted children that end by themselves.

After a killed run, the processes of its stages are found by their environment variables.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from security.sandbox.own_children import forget, guard, is_own, start_own

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
#: Variables that identify the stage and repository of a process (``stage_variables``).
_MARKS = ("DVC_ROOT", "DVC_STAGE")
_LOOKS = 10  # attempts to read variables, which are hidden while a process starts a program
_PAUSE = 0.0005  # seconds between two attempts


def start_command(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a command so that ``end_leftovers`` can find its background processes.

    Args:
        start: starts the command in a session of its own.
    """
    _adopt()
    return start_own(start)


@cache
def _adopt() -> bool:
    """Make this process a subreaper; return False if the system does not support it."""
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def end_leftovers(command: int, variables: Mapping[str, str]) -> None:
    """Kill the background processes of a command until none is left.

    Args:
        command: the process and group id of the command, which has ended and whose group was
            killed.
        variables: the variables of the command, which identify its processes.
    """
    _reap_group(command)
    forget(command)
    marks = {f"{name}={variables[name]}" for name in _MARKS if name in variables}
    if len(marks) < len(_MARKS) or not _adopt():
        return
    killed: set[int] = set()
    looks = _LOOKS
    while looks:
        with guard:
            adopted = {pid: _read_variables(pid) for pid in _adopted()}
            found = {pid for pid, seen in adopted.items() if marks <= seen}
            # The id of a child is not reused before a wait, so no other process is killed.
            for pid in found - killed:
                os.kill(pid, signal.SIGKILL)
        killed = (killed | found) & adopted.keys()
        if not killed:
            if all(adopted.values()):
                return
            looks -= 1
        time.sleep(_PAUSE)


def end_orphans(root: Path) -> list[int]:
    """Kill the stage processes of a killed run in a checkout, and return their ids.

    Only for a checkout that this program alone uses, while its lock is held: then each stage
    process in it is a leftover.
    """
    ended: list[int] = []
    while found := [pid for pid in _processes() if _is_stage_of(root, pid)]:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if set(found) <= set(ended):
            break  # a process of another user, or one that cannot be killed
        ended += found
        time.sleep(_PAUSE)
    return ended


def _processes() -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) != os.getpid():
            yield int(entry.name)


def _is_stage_of(root: Path, pid: int) -> bool:
    seen = _read_variables(pid)
    return f"DVC_ROOT={root}" in seen and any(one.startswith("DVC_STAGE=") for one in seen)


def _reap_group(group: int) -> None:
    """Wait for the processes of a group that became children of this process."""
    try:
        while True:
            os.waitpid(-group, 0)
    except ChildProcessError:
        pass


def _adopted() -> list[int]:
    """Return the living children that this process did not start; wait for the dead ones."""
    # A set: when a thread ends, its children move to another thread and are listed twice.
    strangers = {pid for pid in _children() if not is_own(pid) and _is_elsewhere(pid)}
    return [pid for pid in strangers if not _reap(pid)]


def _reap(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return True  # its group was waited for


def _children() -> Iterator[int]:
    for thread in Path("/proc/self/task").iterdir():
        try:
            yield from map(int, (thread / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended


def _is_elsewhere(pid: int) -> bool:
    """Whether a child is in another session than this process, unlike our own children."""
    try:
        return os.getsid(pid) != os.getsid(0)
    except ProcessLookupError:
        return False  # an own child that has ended


def _read_variables(pid: int) -> set[str]:
    """Return the variables of a process; empty while it starts a program or ends."""
    try:
        return set(os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0")) - {""}
    except (FileNotFoundError, ProcessLookupError):
        return set()
    except PermissionError:
        return {"another user's"}  # not ours to kill
