"""The process table: list processes, and find and reap those that have ended (proc(5))."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from security.sandbox.errors import ConfinementError


def list_pids() -> list[int]:
    """Return the ids of all visible processes; empty on other systems than Linux."""
    if sys.platform != "linux":
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def is_dead(pid: int) -> bool:
    """Whether a process is dead, reaped or not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False
    return text.rpartition(b") ")[2][:1] in (b"Z", b"X")


def has_exited(pid: int) -> bool:
    """Whether a child of this process is dead, or was reaped by other code."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def reap(pid: int) -> bool:
    """Reap a process if it is a dead child of this one; return whether it was."""
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return False


def refuse_survivors(pids: list[int]) -> None:
    """Raise if killed processes are still running.

    Raises:
        ConfinementError: the list is not empty.
    """
    if pids:
        shown = ", ".join(map(str, pids[:5]))
        raise ConfinementError(f"killed processes are still running: {shown}", f"kill -9 {pids[0]}")
