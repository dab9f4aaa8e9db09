"""Tool processes: the one place that starts a gate's tool, and what is told of how it ended.

A tool runs code of those who are judged, so it is expected to do its worst. It gets no input, no
terminal, no open file of ours, no core dumps and no way to what is denied. It is ended when its
time is over or when it says too much; when it ends by itself, all that it has started is ended too
(``security.sandbox``). What it can do until then is use up processor, memory and disk.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from security.gates.interface import GateError
from security.sandbox.confinement import ConfinementError, build_ruleset, can_confine
from security.sandbox.own_children import forget, start_own
from security.sandbox.process_table import is_over
from security.sandbox.process_tree import ProcessTree, start_tree

_REINSTALL = "install ml-assets again, with all that it needs"
_MOST_ERRORS = 64 << 10  # bytes
_CHUNK = 64 << 10  # bytes
_LOOK = 0.05  # seconds between two looks where the kernel does not tell of an end

#: Sets the limit in the process that becomes the tool: from outside it would come too late.
_LIMITER = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
try:
    os.execve(sys.argv[2], sys.argv[2:], os.environ)
except OSError as error:
    print(error, file=sys.stderr)
    sys.exit(126)
"""
_CANNOT_EXECUTE = 126


@dataclass(frozen=True, slots=True)
class Command:
    """A tool to run.

    Attributes:
        arguments: the program, absolute, and its arguments.
        directory: where it works.
        environment: all of its variables.
        timeout: seconds.
        denied: paths that neither it nor its children may read or write.
        most_output: bytes of standard output; a tool that says more is ended.
        memory: address space in bytes of each of its processes; None sets no limit.
        unconfined_ok: run it also where the system cannot keep it from what is denied.
    """

    arguments: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]
    timeout: float
    denied: tuple[Path, ...] = ()
    most_output: int = 64 << 20
    memory: int | None = None
    unconfined_ok: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How a tool ended by itself.

    Attributes:
        output: what it wrote to standard output.
        errors: the end of what it wrote to standard error, at most 64 KiB.
    """

    exit_code: int
    output: bytes
    errors: str


def run_tool(command: Command) -> Ended:
    """Run a tool to its end; its standard input is empty. Whatever it leaves running is ended.

    Raises:
        GateError: it cannot be started or kept from what is denied, took too long, said too much,
            or was ended by a signal.
    """
    until = time.monotonic() + command.timeout
    try:
        tree = _start(command)
    except (OSError, RuntimeError, ValueError) as error:
        raise GateError(f"cannot be started: {error}", _REINSTALL) from error
    except ConfinementError as error:
        raise GateError(error.message, error.hint) from error
    ears = _Ears(tree.process, command)
    try:
        try:
            ears.listen(until)
        finally:
            exit_code = _end(tree)
    finally:
        ears.close()
    errors = ears.errors.decode("utf-8", "replace")
    if exit_code == _CANNOT_EXECUTE and command.memory is not None:
        raise GateError(f"cannot be started: {errors[-200:]}", _REINSTALL)
    if exit_code < 0:
        raise GateError(f"ended by a signal: {_signal_name(-exit_code)}", "look at its own limits")
    return Ended(exit_code, bytes(ears.output), errors)


def _start(command: Command) -> ProcessTree:
    denied = command.denied
    if denied and command.unconfined_ok and not can_confine():
        denied = ()
    ruleset = build_ruleset(denied) if denied else None
    try:
        return start_tree(lambda added: _open_process(command, added), ruleset)
    finally:
        if ruleset is not None:
            os.close(ruleset)


def _open_process(command: Command, added: Mapping[str, str]) -> subprocess.Popen[bytes]:
    arguments = command.arguments
    if command.memory is not None:
        arguments = (sys.executable, "-I", "-S", "-c", _LIMITER, str(command.memory), *arguments)
    process = start_own(
        lambda: subprocess.Popen(
            arguments,
            cwd=command.directory,
            env={**command.environment, **added},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    )
    _forbid_core_dumps(process.pid)
    return process


def _forbid_core_dumps(pid: int) -> None:
    if sys.platform == "linux":
        try:
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        except (ProcessLookupError, PermissionError):
            pass  # it has ended, or limits are not ours to set; dumps do no more than fill a disk


class _Ears:
    """What a process says, within limits, for as long as it lives."""

    def __init__(self, process: subprocess.Popen[bytes], command: Command) -> None:
        self.output = bytearray()
        self.errors = bytearray()
        self._process = process
        self._command = command
        self._said = cast(IO[bytes], process.stdout)
        self._complained = cast(IO[bytes], process.stderr)
        self._open = {self._said.fileno(), self._complained.fileno()}
        for pipe in self._open:
            os.set_blocking(pipe, False)

    def listen(self, until: float) -> None:
        """Listen until the process has ended, however long others hold its pipes.

        Raises:
            GateError: it took too long or said too much.
        """
        end = _open_end(self._process.pid)
        try:
            while not is_over(self._process.pid):
                seconds = until - time.monotonic()
                if seconds <= 0:
                    raise GateError(
                        f"still running after {self._command.timeout:g} s", "raise timeout"
                    )
                self._hear(seconds if end is not None else min(seconds, _LOOK), end)
        finally:
            if end is not None:
                os.close(end)

    def _hear(self, seconds: float, end: int | None) -> None:
        poll = select.poll()
        for descriptor in self._open | ({end} if end is not None else set()):
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(min(seconds, 3600) * 1000 + 1):
            if descriptor != end:
                self._read(descriptor)

    def _read(self, pipe: int) -> bool:
        """Take in what there is, a chunk of it; return whether there may be more."""
        try:
            chunk = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._open.discard(pipe)
        elif pipe == self._complained.fileno():
            self.errors = (self.errors + chunk)[-_MOST_ERRORS:]
        else:
            self.output += chunk
            if len(self.output) > self._command.most_output:
                most = self._command.most_output
                raise GateError(f"said more than {most} bytes", "make it say less")
        return bool(chunk)

    def close(self) -> None:
        """Take in what is left in the pipes, now that nobody writes to them any more.

        Raises:
            GateError: it said too much.
        """
        try:
            for pipe in tuple(self._open):
                while self._read(pipe):
                    pass
        finally:
            self._said.close()
            self._complained.close()


def _open_end(pid: int) -> int | None:
    """Return a descriptor that can be read when a process has ended; None where there is none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _end(tree: ProcessTree) -> int:
    """End what still runs and bury the tool; return its exit code.

    ``Popen`` is not asked: it takes a process that others have waited for as one that ended well.

    Raises:
        GateError: something does not end, or nobody knows how the tool ended.
    """
    try:
        tree.end()
        _, status = os.waitpid(tree.process.pid, 0)
    except ConfinementError as error:
        raise GateError(error.message, error.hint) from error
    except ChildProcessError as error:
        tree.process.returncode = -signal.SIGKILL
        raise GateError("nobody knows how it ended: another waited for it", "try again") from error
    finally:
        forget(tree.process.pid)
    tree.process.returncode = os.waitstatus_to_exitcode(status)
    return tree.process.returncode


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
