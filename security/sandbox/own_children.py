"""A record of own children: the processes that only their starter reaps.

A subreaper must reap the orphans that it adopts, but must not take the exit status of a process
that other code of this program waits for.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable

#: Held while a process is started and recorded, and while adopted processes are selected.
guard = threading.Lock()
_recorded: set[int] = set()


def start_own(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a process and record it in one step, so that it never counts as adopted.

    Raises:
        OSError: the process cannot be started.
    """
    with guard:
        process = start()
        _recorded.add(process.pid)
    return process


def forget(pid: int) -> None:
    """Remove a reaped process from the record."""
    with guard:
        _recorded.discard(pid)


def is_own(pid: int) -> bool:
    """Whether a process is recorded. The caller holds the guard."""
    return pid in _recorded
