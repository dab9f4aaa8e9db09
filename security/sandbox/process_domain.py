"""Process domain: a process and all that it starts, which nothing in it can leave (Linux 6.12).

A tool may fork, leave its session, give itself other variables and let its parents end: nothing
that a process may change says whose it is. A Landlock domain does: it is inherited for good, and
signals do not cross its border (``LANDLOCK_SCOPE_SIGNAL``).

1. A *keeper*, a thread of ours, enters a domain of its own. The kernel lets it signal only what is
   in there, so that nobody else's process can be hit, whatever the number.
2. From there the process is started in a domain inside that one, so that it can neither signal the
   keeper nor look into it.
3. In the end the keeper kills what it can reach until nothing is left. What forks and ends faster
   than /proc is read is noticed, for threads and processes get their numbers from one counter,
   and overtaken: numbers are given in order, so those to come are tried as well.
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
from security.sandbox.confinement import start_restricted
from security.sandbox.landlock import ConfinementError
from security.sandbox.process_table import bury, is_dead, read_numbers, refuse_living

_BEHIND, _AHEAD = 64, 512  # numbers tried around the one that was given last
_FIRST_NUMBER = 300  # after the last one, where the kernel begins again
_EMPTY_ROUNDS = 2  # of looking, while others start processes, until nothing is believed to be left
_PATIENCE = 10.0  # seconds until what was killed has to be gone; the kernel may be slow, not us
_PAUSE = 0.0005  # seconds between two looks


Start = Callable[[], subprocess.Popen[bytes]]


class ProcessDomain:
    """A process, which its starter waits for, and what it has started.

    Who forgets it without having ended it, as when interrupted, ends it by that.

    Args:
        start: starts it.
        ruleset: what it is restricted by; None where only its signals are.

    Raises:
        ConfinementError: the kernel refuses.
        OSError: it cannot be started.
    """

    process: subprocess.Popen[bytes]

    def __init__(self, start: Start, ruleset: int | None) -> None:
        self._keeping = keeping = _Keeping()
        weakref.finalize(self, keeping.over.set)
        self._keeper = threading.Thread(target=_keep, args=(keeping, start, ruleset))
        self._keeper.start()
        keeping.known.wait()
        if keeping.process is None:
            self._keeper.join()
            raise keeping.failure or ConfinementError("the keeper is gone", "try again")
        self.process = keeping.process

    def end(self) -> None:
        """Kill all of it, and wait until nothing but the unburied process is left.

        The keeper does it, and goes on also when this is interrupted.

        Raises:
            ConfinementError: something does not end.
        """
        self._keeping.over.set()
        self._keeper.join()
        if self._keeping.living is None:
            raise ConfinementError("nobody knows what still runs", "look for it with: ps -ef")
        refuse_living(self._keeping.living)


class _Keeping:
    """What a keeper and its owner tell each other."""

    def __init__(self) -> None:
        self.known = threading.Event()
        self.over = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self.failure: BaseException | None = None
        self.living: list[int] | None = None


def _keep(keeping: _Keeping, start: Start, ruleset: int | None) -> None:
    try:
        border = _enter_domain()
        try:
            keeping.process = start_restricted(start, border if ruleset is None else ruleset)
        finally:
            os.close(border)
    except BaseException as error:  # raised again where it is waited for
        keeping.failure = error
        return
    finally:
        keeping.known.set()
    keeping.over.wait()
    keeping.living = _kill_reachable(keeping.process.pid)


def _enter_domain() -> int:
    """Keep the calling thread's signals in a domain; return the descriptor of its ruleset."""
    border = landlock.create_border()
    try:
        landlock.restrict_thread(border)
    except BaseException:
        os.close(border)
        raise
    return border


def _kill_reachable(unburied: int) -> list[int]:
    """Kill all that the calling thread may signal; return what does not end.

    Only for a thread that may signal nothing but what shall end.

    Args:
        unburied: is waited for by its starter.
    """
    until = time.monotonic() + _PATIENCE
    empty = 0
    while empty < _EMPTY_ROUNDS:
        before = _newest_number()
        met = [pid for pid in read_numbers() if _kill(pid)]
        newest = _newest_number()
        quiet = newest == before + 1  # nobody has started anything: /proc has shown all there is
        if not quiet:
            met += _overtake(newest)
        living = [pid for pid in met if not _is_gone(pid, unburied)]
        if not living:
            _bury_adopted(met, unburied)
        if quiet and not living:
            return []
        empty = 0 if living else empty + 1
        if time.monotonic() > until:
            return living or [unburied]
        time.sleep(_PAUSE)
    return []


def _bury_adopted(dead: list[int], unburied: int) -> None:
    """Wait for those whose parents have ended after them, and who thereby became ours."""
    for pid in dead:
        if pid != unburied and _kill(pid):
            bury(pid)


def _newest_number() -> int:
    """Return the number that was given last; ours, for a thread that ends at once."""
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    return thread.native_id or 0


def _overtake(newest: int) -> list[int]:
    """Kill what was just started, and what that starts meanwhile; return what was there."""
    most = int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii"))
    met: list[int] = []
    number, last = newest - _BEHIND, newest + _AHEAD
    while number < last:
        pid = number if number < most else number - most + _FIRST_NUMBER
        if pid > 0 and _kill(pid):
            met.append(pid)
            last = max(last, number + _AHEAD)
        number += 1
    return met


def _kill(pid: int) -> bool:
    """Kill a process if this thread may; return whether it was there and may."""
    if pid == os.getpid():
        return False
    try:
        # Only processes can be opened: kill(2) would take the number of a thread of ours as well.
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


def _is_gone(pid: int, unburied: int) -> bool:
    return is_dead(pid) if pid == unburied else bury(pid) or is_dead(pid)


@cache
def is_signal_kept() -> bool:
    """Whether signals stay inside a domain: tried out, for everything here depends on it."""
    if not landlock.has_scopes():
        return False
    # A shell that waits for its input; the signal that is tried asks for nothing.
    bystander = subprocess.Popen(["/bin/sh", "-c", "read _"], stdin=subprocess.PIPE)
    answers: list[bool] = []
    try:
        thread = threading.Thread(target=lambda: answers.append(_is_kept_from(bystander.pid)))
        thread.start()
        thread.join()
    finally:
        bystander.communicate()
    return answers == [True]


def _is_kept_from(pid: int) -> bool:
    try:
        os.close(_enter_domain())
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ConfinementError, OSError):
        return False
    return False
