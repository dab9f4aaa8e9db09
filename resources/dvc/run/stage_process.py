"""The process of a stage command: one shell, its output line by line, and its usage."""

from __future__ import annotations

import fcntl
import math
import os
import resource
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, cast

from resources.dvc.run.stage_output import LONGEST_LINE, OutputFile, StageOutput
from security.sandbox.confinement import FileView, open_restriction
from security.sandbox.process_tree import ProcessTree, Start, start_marked_tree, start_tree

_GRACE = 5.0  # seconds between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Usage:
    """The resource usage of a command.

    Attributes:
        exit_code: the exit code; a negative number is the signal that ended the command.
        seconds: wall time.
        cpu_seconds: user and system time of the command and the processes that it waited for.
        peak_bytes: the largest resident set of one process; None if it is smaller than that of this
            process, which the kernel includes.
        timed_out: the command was stopped because its time was over.
    """

    exit_code: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int | None
    timed_out: bool = False


class Cancellation:
    """A switch that stops running commands and prevents later ones."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Stop all commands with this switch."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether the switch is set."""
        return self._event.is_set()


def run_command(
    arguments: Sequence[str],
    *,
    cwd: str,
    variables: Mapping[str, str],
    on_line: Callable[[str], None],
    cancellation: Cancellation,
    view: FileView | None = None,
    file: OutputFile | None = None,
    seconds: float = math.inf,
) -> Usage:
    """Run a command to its end in a process group of its own and report its output.

    Standard input is empty; standard output and error are one stream. Background processes of the
    command are killed when it ends (``process_tree.py``), so that none writes to an out after it
    was hashed.

    Args:
        view: what the process tree sees of the files; None does not confine it.
        file: receives the whole output; without it, all lines are reported, however many.
        seconds: time after which the command is stopped, as by a cancellation.

    Raises:
        ConfinementError: the processes cannot be confined or ended.
        OSError: the command cannot be started.
    """
    started = time.monotonic()

    def start(added: Mapping[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            list(arguments),
            cwd=cwd,
            env={**variables, **added},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    tree = _start(start, view)
    process = tree.process
    # Between fork and exec a child has the memory of this process, which counts in its peak.
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    output = cast(IO[bytes], process.stdout)
    try:
        timed_out = _follow(
            process.pid,
            output.fileno(),
            StageOutput(on_line, file),
            cancellation,
            started + seconds,
        )
    finally:
        try:
            tree.end()
        finally:
            _, status, usage = os.wait4(process.pid, 0)
            output.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Usage(
        exit_code=process.returncode,
        seconds=time.monotonic() - started,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=usage.ru_maxrss * 1024 if usage.ru_maxrss > floor else None,
        timed_out=timed_out,
    )


def _start(start: Start, view: FileView | None) -> ProcessTree:
    if view is None:
        return start_marked_tree(start, None)
    with open_restriction(view) as restriction:
        return start_tree(start, restriction)


def _follow(
    pid: int, output: int, receiver: StageOutput, cancellation: Cancellation, deadline: float
) -> bool:
    """Report the output until the command has ended; return whether the deadline stopped it."""
    poll = select.poll()
    poll.register(output, select.POLLIN | select.POLLHUP)
    reading = True
    pause = 0.0005  # seconds
    asked_at: float | None = None
    timed_out = False
    while True:
        ready = reading and bool(poll.poll(100))
        if ready:
            chunk = os.read(output, LONGEST_LINE)
            reading = bool(chunk)
            receiver.feed(chunk)
        else:
            receiver.pause()
        if time.monotonic() > deadline and not cancellation.cancelled:
            timed_out = timed_out or not _has_ended(pid)
        if timed_out or cancellation.cancelled:
            asked_at = _ask_to_stop(pid, asked_at)
        if not ready or not reading:
            # If the pipe is open after the end, only a background process can hold it.
            if _has_ended(pid):
                receiver.feed(_read_unread(output))
                break
        if not reading:
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
    receiver.end()
    return timed_out


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _read_unread(output: int) -> bytes:
    """Read what a command wrote just before its end, and nothing that is written later."""
    count = fcntl.ioctl(output, termios.FIONREAD, bytes(4))
    return os.read(output, int.from_bytes(count, sys.byteorder))


def _ask_to_stop(pid: int, asked_at: float | None) -> float:
    now = time.monotonic()
    if asked_at is None:
        _signal_group(pid, signal.SIGTERM)
        return now
    if now - asked_at > _GRACE:
        _signal_group(pid, signal.SIGKILL)
    return asked_at


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass
