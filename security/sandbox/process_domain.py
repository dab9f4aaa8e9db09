"""A process domain: a process and its descendants, which cannot leave it (Linux 6.12).

A process can fork, leave its session, change its variables and outlive its parents, so none of
these identifies its owner. A Landlock domain does: descendants inherit it permanently, and signals
do not leave it (``LANDLOCK_SCOPE_SIGNAL``).

1. A *supervisor*, a thread of this program, enters a domain of its own. The kernel lets it signal
   only processes in that domain, so it cannot kill any other process, even by a reused pid.
2. The supervisor starts the process in a nested domain, so that the process can neither signal nor
   trace the supervisor.
3. At the end the supervisor kills all reachable processes until none is left. It detects processes
   that fork and exit faster than /proc is read, since threads and processes share one counter of
   pids, and overtakes them: pids are assigned in order, so it tries the next ones as well.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path

from security.sandbox import landlock
from security.sandbox.confinement import Restriction, start_restricted
from security.sandbox.errors import ConfinementError
from security.sandbox.file_view import enter_view
from security.sandbox.process_table import is_dead, list_pids, reap, refuse_survivors

_BEHIND, _AHEAD = 64, 512  # pids to try around the newest one
_FIRST_PID = 300  # the kernel continues here after the highest pid
_EMPTY_ROUNDS = 2  # rounds without a find before the domain counts as empty on a busy system
_PATIENCE = 10.0  # seconds that the kernel gets to end killed processes
_PAUSE = 0.0005  # seconds between two rounds


Start = Callable[[], subprocess.Popen[bytes]]


class ProcessDomain:
    """A process, which its starter reaps, and its descendants.

    The processes also end when the object is garbage-collected, as after an interrupt.

    Args:
        start: starts the process.
        restriction: of the process; None confines only its signals.

    Raises:
        ConfinementError: the kernel refuses.
        OSError: the process cannot be started.
    """

    process: subprocess.Popen[bytes]

    def __init__(self, start: Start, restriction: Restriction | None) -> None:
        self._state = state = _SupervisorState()
        weakref.finalize(self, state.stop.set)
        self._supervisor = threading.Thread(target=_supervise, args=(state, start, restriction))
        self._supervisor.start()
        state.started.wait()
        if state.process is None:
            self._supervisor.join()
            raise state.failure or ConfinementError("the supervisor has exited", "try again")
        self.process = state.process

    def end(self) -> None:
        """Kill all processes, and wait until only the unreaped process is left.

        The supervisor kills them, and continues if this method is interrupted.

        Raises:
            ConfinementError: a process does not end.
        """
        self._state.stop.set()
        self._supervisor.join()
        if self._state.survivors is None:
            raise ConfinementError("cannot tell which processes are still running", "ps -ef")
        refuse_survivors(self._state.survivors)


class _SupervisorState:
    """The state that a supervisor shares with its owner."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.stop = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self.failure: BaseException | None = None
        self.survivors: list[int] | None = None


def _supervise(state: _SupervisorState, start: Start, restriction: Restriction | None) -> None:
    try:
        if restriction is not None and restriction.view is not None:
            enter_view(restriction.view)  # first: mounts cannot be changed from a domain
        outer = _enter_domain()
        try:
            ruleset = outer if restriction is None else restriction.ruleset
            state.process = start_restricted(start, Restriction(ruleset))
        finally:
            os.close(outer)
    except BaseException as error:  # raised again in the waiting thread
        state.failure = error
        return
    finally:
        state.started.set()
    state.stop.wait()
    state.survivors = _kill_reachable(state.process.pid)


def _enter_domain() -> int:
    """Move the calling thread into a signal domain; return the descriptor of its ruleset."""
    ruleset = landlock.create_signal_ruleset()
    try:
        landlock.restrict_thread(ruleset)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def _kill_reachable(unreaped: int) -> list[int]:
    """Kill all processes that the calling thread can signal; return those that do not end.

    The caller must be able to signal only processes that must end.

    Args:
        unreaped: the process that its starter reaps.
    """
    until = time.monotonic() + _PATIENCE
    empty = 0
    while empty < _EMPTY_ROUNDS:
        before = _newest_pid()
        found = [pid for pid in list_pids() if _kill(pid)]
        newest = _newest_pid()
        quiet = newest == before + 1  # no process was started meanwhile: /proc has shown them all
        if not quiet:
            found += _overtake(newest)
        living = [pid for pid in found if not _is_gone(pid, unreaped)]
        if not living:
            _reap_adopted(found, unreaped)
        if quiet and not living:
            return []
        empty = 0 if living else empty + 1
        if time.monotonic() > until:
            return living or [unreaped]
        time.sleep(_PAUSE)
    return []


def _reap_adopted(dead: list[int], unreaped: int) -> None:
    """Reap the dead processes that became our children because their parents ended later."""
    for pid in dead:
        if pid != unreaped and _kill(pid):
            reap(pid)


def _newest_pid() -> int:
    """Return the newest pid: the id of a thread that is started here and ends at once."""
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    return thread.native_id or 0


def _overtake(newest: int) -> list[int]:
    """Kill just started processes, and those that they start meanwhile; return their pids."""
    most = int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii"))
    found: list[int] = []
    number, last = newest - _BEHIND, newest + _AHEAD
    while number < last:
        pid = number if number < most else number - most + _FIRST_PID
        if pid > 0 and _kill(pid):
            found.append(pid)
            last = max(last, number + _AHEAD)
        number += 1
    return found


def _kill(pid: int) -> bool:
    """Kill a process; return whether it exists and this thread is allowed to signal it."""
    if pid == os.getpid():
        return False
    try:
        # Only processes can be opened; kill(2) would also accept the id of one of our threads.
        descriptor = os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
            return False
        raise
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(descriptor)
    return True


def _is_gone(pid: int, unreaped: int) -> bool:
    return is_dead(pid) if pid == unreaped else reap(pid) or is_dead(pid)


@cache
def can_confine_signals() -> bool:
    """Whether signals stay inside a domain, as a trial shows: this module depends on it."""
    if not landlock.has_scopes():
        return False
    # A shell that waits for its input; signal 0 does not disturb it.
    bystander = subprocess.Popen(["/bin/sh", "-c", "read _"], stdin=subprocess.PIPE)
    answers: list[bool] = []
    try:
        thread = threading.Thread(target=lambda: answers.append(_is_out_of_reach(bystander.pid)))
        thread.start()
        thread.join()
    finally:
        bystander.communicate()
    return answers == [True]


def _is_out_of_reach(pid: int) -> bool:
    """Whether a thread in a signal domain cannot signal a process outside of it."""
    try:
        os.close(_enter_domain())
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ConfinementError, OSError):
        return False
    return False
