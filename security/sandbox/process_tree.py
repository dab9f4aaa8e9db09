"""A process tree: a process and its descendants, which end together on every system.

From Linux 6.12 on, no process can leave the tree (``process_domain.py``). On older kernels the
process group, the session and a variable identify the descendants: enough for careless processes,
not for hostile ones. Other systems have only the process group.
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

from security.sandbox.confinement import Restriction, start_restricted
from security.sandbox.process_domain import ProcessDomain, can_confine_signals
from security.sandbox.process_table import (
    has_exited,
    is_dead,
    list_pids,
    reap,
    refuse_survivors,
)

Start = Callable[[Mapping[str, str]], subprocess.Popen[bytes]]

_MARK = "ML_ASSETS_TREE"
_PATIENCE = 10.0  # seconds that the kernel gets to end killed processes
_PAUSE = 0.0005  # seconds between two rounds


class ProcessTree(Protocol):
    """A process, which its starter reaps, and its descendants."""

    process: subprocess.Popen[bytes]

    def end(self) -> None:
        """Kill all processes, and wait until only the unreaped process is left.

        Raises:
            ConfinementError: a process does not end.
        """


def start_tree(start: Start, restriction: Restriction | None) -> ProcessTree:
    """Start a process so that all its descendants can be ended.

    Args:
        start: starts the process in a session of its own, with additional variables.
        restriction: of the process; None for none.

    Raises:
        ConfinementError: the kernel refuses.
        OSError: the process cannot be started.
    """
    if can_confine_signals():
        return ProcessDomain(lambda: start({}), restriction)
    return start_marked_tree(start, restriction)


def start_marked_tree(start: Start, restriction: Restriction | None) -> ProcessTree:
    """Start a process so that the descendants that keep its session or its variables can be ended.

    Unlike a process domain this leaves an unrestricted process unrestricted: it can use ``sudo``.

    Raises:
        ConfinementError: the kernel refuses.
        OSError: the process cannot be started.
    """
    return _MarkedTree(start, restriction)


class _MarkedTree:
    """A tree whose processes are identified by group, session or variables."""

    def __init__(self, start: Start, restriction: Restriction | None) -> None:
        mark = {_MARK: secrets.token_hex(16)}
        if restriction is None:
            self.process = start(mark)
        else:
            self.process = start_restricted(lambda: start(mark), restriction)
        self._mark = os.fsencode(f"{_MARK}={mark[_MARK]}")

    def end(self) -> None:
        """Kill processes until none is found."""
        pid = self.process.pid
        until = time.monotonic() + _PATIENCE
        while True:
            _kill_group(pid)
            # The process itself keeps its pid until its starter reaps it.
            living = [other for other in list_pids() if other != pid and self._kill(other)]
            if not living and has_exited(pid):
                return
            if time.monotonic() > until:
                refuse_survivors(living or [pid])
            time.sleep(_PAUSE)

    def _kill(self, pid: int) -> bool:
        """Kill a process of this tree; return whether it belongs to the tree and is alive."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            # Check after opening, so that a process that reuses the pid is not killed.
            if not self._owns(pid) or reap(pid) or is_dead(pid):
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
