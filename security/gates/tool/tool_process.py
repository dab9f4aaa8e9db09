"""Tool processes: the one place that starts the tool of a gate, and a record of how it ended.

A tool may run code from the branch under test, so assume that it is hostile. It gets no input, no
terminal, none of our open files, no core dumps and a view of the files. It is ended when it
exceeds its time or its output limit. When it exits, every process that it started is ended too
(``security.sandbox``). Until then it can use up processor time, memory and disk space.
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

from security.content.printable import printable
from security.gates.interface import GateError
from security.sandbox.confinement import (
    ConfinementError,
    FileView,
    can_confine,
    open_restriction,
)
from security.sandbox.process_table import has_exited
from security.sandbox.process_tree import ProcessTree, start_tree

#: The hint for a tool of ours that is missing or broken.
REINSTALL = "install ml-assets again, with all its dependencies"
_KEPT_ERRORS = 64 << 10  # bytes
_KEPT_LINES = 8 << 10  # bytes
_CHUNK = 64 << 10  # bytes
_POLL = 0.05  # seconds between two checks where the kernel does not report an exit

#: Sets the limit inside the process that becomes the tool: set from outside, it comes too late.
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
class ToolCommand:
    """A command that runs a tool.

    Attributes:
        arguments: the absolute path of the program, then its arguments.
        directory: the working directory.
        environment: all environment variables of the tool.
        timeout: seconds.
        view: what the tool and its children see of the files; None does not confine them.
        most_output: bytes of standard output; a tool that writes more is ended.
        most_errors: bytes of standard error, in the same way; None keeps the last 64 KiB.
        memory: address space of each process, in bytes; None sets no limit.
        unconfined_ok: run the tool even where the system cannot deny paths.
    """

    arguments: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]
    timeout: float
    view: FileView | None = None
    most_output: int = 64 << 20
    most_errors: int | None = None
    memory: int | None = None
    unconfined_ok: bool = False


@dataclass(frozen=True, slots=True)
class ToolExit:
    """The exit of a tool that ended by itself.

    Attributes:
        output: its standard output.
        errors: its standard error: all of it with ``most_errors``, else the last 64 KiB.
    """

    exit_code: int
    output: bytes
    errors: str

    def last_lines(self, most: int = 5) -> str:
        """Return the last lines of output and errors as one printable line, for a message."""
        output = self.output[-_KEPT_LINES:].decode("utf-8", "replace")
        text = f"{output}\n{self.errors[-_KEPT_LINES:]}"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return printable(" | ".join(lines[-most:]), 500) or "no output"


def run_tool(command: ToolCommand) -> ToolExit:
    """Run a tool until it exits, with empty standard input, then end what it left running.

    Raises:
        GateError: the tool does not start, cannot be confined, exceeds its time or output limit,
            or is ended by a signal.
    """
    until = time.monotonic() + command.timeout
    try:
        tree = _start(command)
    except (OSError, RuntimeError, ValueError) as error:
        raise GateError(f"cannot start the tool: {error}", REINSTALL) from error
    except ConfinementError as error:
        raise GateError(error.message, error.hint) from error
    pipes = _Pipes(tree.process, command)
    try:
        try:
            pipes.read_until_exit(until)
        finally:
            exit_code = _end(tree)
    finally:
        pipes.close()
    errors = pipes.errors.decode("utf-8", "replace")
    if exit_code == _CANNOT_EXECUTE and command.memory is not None:
        raise GateError(f"cannot start the tool: {errors[-200:]}", REINSTALL)
    if exit_code < 0:
        hint = "check the memory and processor limits of this machine"
        raise GateError(f"tool ended by signal: {_signal_name(-exit_code)}", hint)
    return ToolExit(exit_code, bytes(pipes.output), errors)


def _start(command: ToolCommand) -> ProcessTree:
    def start(added: Mapping[str, str]) -> subprocess.Popen[bytes]:
        return _open_process(command, added)

    if command.view is None or (command.unconfined_ok and not can_confine()):
        return start_tree(start, None)
    with open_restriction(command.view) as restriction:
        return start_tree(start, restriction)


def _open_process(command: ToolCommand, added: Mapping[str, str]) -> subprocess.Popen[bytes]:
    arguments = command.arguments
    if command.memory is not None:
        arguments = (sys.executable, "-I", "-S", "-c", _LIMITER, str(command.memory), *arguments)
    process = subprocess.Popen(
        arguments,
        cwd=command.directory,
        env={**command.environment, **added},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    _forbid_core_dumps(process.pid)
    return process


def _forbid_core_dumps(pid: int) -> None:
    if sys.platform == "linux":
        try:
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        except (ProcessLookupError, PermissionError):
            pass  # it has exited, or limits are not permitted; a dump only fills the disk


class _Pipes:
    """Standard output and standard error of a running tool, each within its limit."""

    def __init__(self, process: subprocess.Popen[bytes], command: ToolCommand) -> None:
        self.output = bytearray()
        self.errors = bytearray()
        self._process = process
        self._command = command
        self._stdout = cast(IO[bytes], process.stdout)
        self._stderr = cast(IO[bytes], process.stderr)
        self._open = {self._stdout.fileno(), self._stderr.fileno()}
        for pipe in self._open:
            os.set_blocking(pipe, False)

    def read_until_exit(self, until: float) -> None:
        """Read until the tool exits, even if its children keep the pipes open.

        Raises:
            GateError: the tool exceeds its time or output limit.
        """
        end = _open_pidfd(self._process.pid)
        try:
            while not has_exited(self._process.pid):
                seconds = until - time.monotonic()
                if seconds <= 0:
                    message = f"still running after {self._command.timeout:g} s"
                    raise GateError(message, "raise timeout")
                self._wait(seconds if end is not None else min(seconds, _POLL), end)
        finally:
            if end is not None:
                os.close(end)

    def _wait(self, seconds: float, end: int | None) -> None:
        poll = select.poll()
        for descriptor in self._open | ({end} if end is not None else set()):
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(min(seconds, 3600) * 1000 + 1):
            if descriptor != end:
                self._read(descriptor)

    def _read(self, pipe: int) -> bool:
        """Read one chunk; return whether there may be more."""
        try:
            chunk = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._open.discard(pipe)
        elif pipe == self._stdout.fileno():
            self.output += chunk
            _limit(self.output, self._command.most_output, "output")
        elif self._command.most_errors is None:
            self.errors = (self.errors + chunk)[-_KEPT_ERRORS:]
        else:
            self.errors += chunk
            _limit(self.errors, self._command.most_errors, "error")
        return bool(chunk)

    def close(self) -> None:
        """Read what is left in the pipes, now that every writer has ended, and close them.

        Raises:
            GateError: the tool exceeds its output limit.
        """
        try:
            for pipe in tuple(self._open):
                while self._read(pipe):
                    pass
        finally:
            self._stdout.close()
            self._stderr.close()


def _limit(written: bytearray, most: int, stream: str) -> None:
    if len(written) > most:
        message = f"tool wrote more than {most} bytes to standard {stream}"
        raise GateError(message, "configure the tool to write less")


def _open_pidfd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when a process exits; None if not supported."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _end(tree: ProcessTree) -> int:
    """End the process tree, reap the tool and return its exit code.

    ``Popen`` reports exit code 0 for a process that another thread has reaped, so it is not used.

    Raises:
        GateError: a process does not end, or the exit code of the tool is unknown.
    """
    try:
        tree.end()
        _, status = os.waitpid(tree.process.pid, 0)
    except ConfinementError as error:
        raise GateError(error.message, error.hint) from error
    except ChildProcessError as error:
        tree.process.returncode = -signal.SIGKILL
        message = "exit code of the tool unknown: another thread waited for the process"
        raise GateError(message, "run the gate again") from error
    tree.process.returncode = os.waitstatus_to_exitcode(status)
    return tree.process.returncode


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
