"""Own children: processes that are waited for by whoever started them, and by nobody else.

Who adopts what others leave behind has to wait for the dead among them, and must not take the exit
status of a process that somebody else here is about to ask for. Both go by this record.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable

#: Held while a process is started and recorded, and while strangers are told from recorded ones.
guard = threading.Lock()
_recorded: set[int] = set()


def start_own(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a process and record it in one step, so that it is never taken for a stranger.

    Raises:
        OSError: it cannot be started.
    """
    with guard:
        process = start()
        _recorded.add(process.pid)
    return process


def forget(pid: int) -> None:
    """Strike out a process that has been waited for."""
    with guard:
        _recorded.discard(pid)


def is_own(pid: int) -> bool:
    """Whether a process is recorded; to be asked under the guard."""
    return pid in _recorded
