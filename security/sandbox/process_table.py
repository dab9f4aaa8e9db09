"""Process table: which processes there are, and which of them are over (proc(5))."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from security.sandbox.landlock import ConfinementError


def read_numbers() -> list[int]:
    """Return the numbers of all processes that can be seen; none where there is no Linux."""
    if sys.platform != "linux":
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def is_dead(pid: int) -> bool:
    """Whether a process is dead, be it that its parent has yet to wait for it."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False
    return text.rpartition(b") ")[2][:1] in (b"Z", b"X")


def is_over(pid: int) -> bool:
    """Whether a child of ours is dead, or was buried by others."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def bury(pid: int) -> bool:
    """Wait for a dead process if it has become a child of ours; return whether that was so."""
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return False


def refuse_living(pids: list[int]) -> None:
    """Raise if there are any.

    Raises:
        ConfinementError: they were killed and do not end.
    """
    if pids:
        shown = ", ".join(map(str, pids[:5]))
        raise ConfinementError(f"processes that do not end: {shown}", f"kill -9 {pids[0]}")
