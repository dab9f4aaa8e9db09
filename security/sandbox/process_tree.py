"""Process tree: a process and all that it starts, ended as one on whatever system.

Linux 6.12 knows a border that nothing crosses (``process_domain.py``). Before that the
group, the session and a variable tell what belongs to a process: enough for what is careless, not
for what hides. Elsewhere it is the group alone.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from security.sandbox.confinement import start_restricted
from security.sandbox.process_domain import ProcessDomain, is_signal_kept
from security.sandbox.process_table import bury, is_dead, is_over, read_numbers, refuse_living

Start = Callable[[Mapping[str, str]], subprocess.Popen[bytes]]

_MARK = "ML_ASSETS_TREE"
_PATIENCE = 10.0  # seconds until what was killed has to be gone; the kernel may be slow, not us
_PAUSE = 0.0005  # seconds between two looks


class ProcessTree(Protocol):
    """A process, which its starter waits for, and what it has started."""

    process: subprocess.Popen[bytes]

    def end(self) -> None:
        """Kill all of it, and wait until nothing but the unburied process is left.

        Raises:
            ConfinementError: something does not end.
        """


def start_tree(start: Start, ruleset: int | None) -> ProcessTree:
    """Start a process together with what is needed to end all of it.

    Args:
        start: starts it in a session of its own, with the variables that it is given added.
        ruleset: what it is restricted by; None where it is restricted by nothing.

    Raises:
        ConfinementError: the kernel refuses.
        OSError: it cannot be started.
    """
    if is_signal_kept():
        return ProcessDomain(lambda: start({}), ruleset)
    return _MarkedTree(start, ruleset)


class _MarkedTree:
    """What can be told by its group, its session or its variables."""

    def __init__(self, start: Start, ruleset: int | None) -> None:
        mark = {_MARK: secrets.token_hex(16)}
        if ruleset is None:
            self.process = start(mark)
        else:
            self.process = start_restricted(lambda: start(mark), ruleset)
        self._mark = os.fsencode(f"{_MARK}={mark[_MARK]}")

    def end(self) -> None:
        """Kill until nothing is found any more."""
        pid = self.process.pid
        until = time.monotonic() + _PATIENCE
        while True:
            _kill_group(pid)
            # The process itself may be dead and unburied: it has its number still.
            living = [other for other in read_numbers() if other != pid and self._kill(other)]
            if not living and is_over(pid):
                return
            if time.monotonic() > until:
                refuse_living(living or [pid])
            time.sleep(_PAUSE)

    def _kill(self, pid: int) -> bool:
        """Kill a process if it is one of ours; return whether it was, and lives."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            # Looked at after it was opened: another that gets its number is not hit.
            if not self._owns(pid) or bury(pid) or is_dead(pid):
                return False
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def _owns(self, pid: int) -> bool:
        if os.getsid(pid) == self.process.pid:
            return True
        return self._mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
