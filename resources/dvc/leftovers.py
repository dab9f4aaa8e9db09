"""Leftovers: processes that a stage's command started in sessions of their own, and left.

The kernel hands a process whose parent has ended to the nearest *subreaper* above it (prctl(2),
``PR_SET_CHILD_SUBREAPER``). This process makes itself one, so that what a stage leaves behind
becomes its own child, however far away it had gone. Linux only: elsewhere nothing is found.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
#: Say of which stage a process is, and of which repository (``environment.stage_variables``).
_MARKS = ("DVC_ROOT", "DVC_STAGE")


@cache
def adopt_leftovers() -> bool:
    """Make this process the one that gets what commands leave behind; False where it cannot be."""
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def end_leftovers(group: int, variables: Mapping[str, str]) -> None:
    """End what a command left behind, until nothing of it is left.

    Args:
        group: the command's process group, which has been killed.
        variables: those the command was started with; they tell its processes from all others.
    """
    _reap(group)
    marks = [f"{name}={variables[name]}" for name in _MARKS if name in variables]
    if len(marks) < len(_MARKS) or not adopt_leftovers():
        return
    while found := [pid for pid in _children() if _is_left(pid, marks)]:
        for pid in found:
            # A child that nobody has waited for keeps its number: no other can be hit.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _reap(group: int) -> None:
    """Wait for the processes of a group that have become children of this one."""
    try:
        while True:
            os.waitpid(-group, 0)
    except ChildProcessError:
        pass


def _children() -> Iterator[int]:
    for thread in Path("/proc/self/task").iterdir():
        try:
            yield from map(int, (thread / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended


def _is_left(pid: int, marks: list[str]) -> bool:
    """Whether a child is what the marked command left, and nothing that we started ourselves."""
    try:
        if os.getsid(pid) == os.getsid(0):
            return False
        variables = os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return set(marks) <= set(variables)
