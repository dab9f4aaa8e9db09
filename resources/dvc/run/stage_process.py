"""The process of a stage command: one shell, its output line by line, and its usage."""

from __future__ import annotations

import fcntl
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

from security.sandbox.confinement import FileView, open_restriction
from security.sandbox.process_tree import ProcessTree, Start, start_marked_tree, start_tree

_LINE_LIMIT = 64 * 1024  # bytes; a longer line arrives in pieces
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
    """

    exit_code: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int | None


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
) -> Usage:
    """Run a command to its end in a process group of its own and report its output.

    Standard input is empty; standard output and error are one stream. Background processes of the
    command are killed when it ends (``process_tree.py``), so that none writes to an out after it
    was hashed.

    Args:
        view: what the process tree sees of the files; None does not confine it.

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
        _follow(process.pid, output.fileno(), on_line, cancellation)
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
    )


def _start(start: Start, view: FileView | None) -> ProcessTree:
    if view is None:
        return start_marked_tree(start, None)
    with open_restriction(view) as restriction:
        return start_tree(start, restriction)


def _follow(
    pid: int, output: int, on_line: Callable[[str], None], cancellation: Cancellation
) -> None:
    """Report lines until the command has ended."""
    poll = select.poll()
    poll.register(output, select.POLLIN | select.POLLHUP)
    pending = b""
    reading = True
    pause = 0.0005  # seconds
    asked_at: float | None = None
    while True:
        ready = reading and bool(poll.poll(100))
        if ready:
            chunk = os.read(output, _LINE_LIMIT)
            reading = bool(chunk)
            pending = _hand_out(pending + chunk, on_line)
        if cancellation.cancelled:
            asked_at = _ask_to_stop(pid, asked_at)
        if not ready or not reading:
            # If the pipe is open after the end, only a background process can hold it.
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                pending = _hand_out(pending + _read_unread(output), on_line)
                break
        if not reading:
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
    if pending:
        on_line(_text(pending))


def _read_unread(output: int) -> bytes:
    """Read what a command wrote just before its end, and nothing that is written later."""
    count = fcntl.ioctl(output, termios.FIONREAD, bytes(4))
    return os.read(output, int.from_bytes(count, sys.byteorder))


def _hand_out(text: bytes, on_line: Callable[[str], None]) -> bytes:
    *lines, rest = text.split(b"\n")
    if len(rest) > _LINE_LIMIT:
        end = _end_of_letters(rest)
        lines, rest = [*lines, rest[:end]], rest[end:]
    for line in lines:
        on_line(_text(line))
    return rest


def _end_of_letters(text: bytes) -> int:
    """Return the end of the last complete character (UTF-8, RFC 3629 section 3)."""
    for back in range(1, 4):
        byte = text[-back]
        if byte >= 0xC0:
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(text) if back >= length else len(text) - back
        if byte < 0x80:
            break
    return len(text)


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


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
