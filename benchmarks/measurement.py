"""A measurement: one command as a whole process, its wall time and its CPU time."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import NotPossible

#: A command that takes longer, in seconds, is stopped and counts as wrong.
COMMAND_SECONDS = 3600.0
_GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Sample:
    """The time of one run.

    Attributes:
        seconds: wall time from before the start of the process until after its end.
        cpu_seconds: user and system time of the process and its children.
    """

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Finished:
    """A process that has ended."""

    code: int
    sample: Sample
    stdout: str
    stderr: str


def measure(
    command: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    output: Path,
    *,
    cores: int | None = None,
    timeout: float = COMMAND_SECONDS,
) -> Finished:
    """Run a command to its end and measure it.

    Its output goes to files, so that reading it takes no time while the clock runs.

    Args:
        output: a directory for those files.
        cores: number of processors, if the system can limit them; None for all.
        timeout: seconds, after which the command and its children are killed.

    Raises:
        NotPossible: there are fewer than ``cores`` processors.
    """
    out, err = output / "stdout", output / "stderr"
    with out.open("wb") as stdout, err.open("wb") as stderr, _limited_to(cores):
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        cpu_seconds = _wait(process, timeout)
        seconds = time.perf_counter() - started
    return Finished(
        process.returncode, Sample(seconds, cpu_seconds), _read_text(out), _read_text(err)
    )


def _wait(process: subprocess.Popen[bytes], timeout: float) -> float:
    """Wait for a process, set its return code and return the CPU seconds it has used."""
    ended = threading.Event()

    def kill() -> None:
        if not ended.is_set():
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(timeout, kill)
    timer.daemon = True
    timer.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
        ended.set()
    except BaseException:  # Ctrl-C here does not reach a process in a session of its own
        _stop(process)
        raise
    finally:
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def _limited_to(cores: int | None) -> Iterator[None]:
    """Limit this process and its children to some of its processors."""
    if cores is None:
        yield
        return
    allowed = _usable_processors()
    if len(allowed) < cores:
        raise NotPossible(
            f"too few processors: {len(allowed)} of {cores}", "measure on a larger machine"
        )
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    os.sched_setaffinity(0, sorted(allowed)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _usable_processors() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _read_text(file: Path) -> str:
    return file.read_text("utf-8", errors="replace")
