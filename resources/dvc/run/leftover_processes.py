"""Leftovers: processes that a stage's command started and left, in whatever session they are.

The kernel hands a process whose parent has ended to the nearest *subreaper* above it (prctl(2),
``PR_SET_CHILD_SUBREAPER``). This process makes itself one, so that what a stage leaves behind
becomes its own child, however far away it had gone. Linux only: elsewhere nothing is found.

Who adopts also has to bury: what a stage left and what has ended by itself is waited for.

What the stages of a run do whose own process was killed is found by their variables alone.
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
#: Say of which stage a process is, and of which repository (``environment.stage_variables``).
_MARKS = ("DVC_ROOT", "DVC_STAGE")
_LOOKS = 10  # at variables that are out of sight, as while a process starts another program
_PAUSE = 0.0005  # seconds between two looks


def start_command(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a command so that what it leaves behind is found by ``end_leftovers``.

    Args:
        start: starts it, in a session of its own.
    """
    _adopt()
    return start_own(start)


@cache
def _adopt() -> bool:
    """Make this process the one that gets what commands leave behind; False where it cannot be."""
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def end_leftovers(command: int, variables: Mapping[str, str]) -> None:
    """End what a command left behind, until nothing of it is left.

    Args:
        command: its process id, which is that of its group as well; it has been waited for, and
            its group has been killed.
        variables: those it was started with; they tell its processes from all others.
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
            # A child that nobody has waited for keeps its number: no other can be hit.
            for pid in found - killed:
                os.kill(pid, signal.SIGKILL)
        killed = (killed | found) & adopted.keys()
        if not killed:
            if all(adopted.values()):
                return
            looks -= 1
        time.sleep(_PAUSE)


def end_orphans(root: Path) -> list[int]:
    """End what stages of a killed run still do in a checkout, and return which processes that were.

    For a checkout in which nobody works but this program, while its repository is held: then no
    stage has any business there.
    """
    ended: list[int] = []
    while found := [pid for pid in _processes() if _is_stage_of(root, pid)]:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if set(found) <= set(ended):
            break  # another user's, or one that the kernel does not let go
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
    """Wait for the processes of a group that have become children of this one."""
    try:
        while True:
            os.waitpid(-group, 0)
    except ChildProcessError:
        pass


def _adopted() -> list[int]:
    """Return the living children that this process has not started; wait for the dead ones."""
    # A set: a thread's end hands its children to another one, where they are met again.
    strangers = {pid for pid in _children() if not is_own(pid) and _is_elsewhere(pid)}
    return [pid for pid in strangers if not _is_buried(pid)]


def _is_buried(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return True  # together with the group that it was in


def _children() -> Iterator[int]:
    for thread in Path("/proc/self/task").iterdir():
        try:
            yield from map(int, (thread / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended


def _is_elsewhere(pid: int) -> bool:
    """Whether a child is in another session than this process, where none of our own is."""
    try:
        return os.getsid(pid) != os.getsid(0)
    except ProcessLookupError:
        return False  # one of our own, waited for meanwhile


def _read_variables(pid: int) -> set[str]:
    """Return a child's variables: none while it starts another program, or ends."""
    try:
        return set(os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0")) - {""}
    except (FileNotFoundError, ProcessLookupError):
        return set()
    except PermissionError:
        return {"another user's"}  # nothing that we could end
