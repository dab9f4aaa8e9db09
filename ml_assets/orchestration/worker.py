"""The worker: the process of a run, which shows that it is there for as long as it lives.

It holds an flock, which the kernel drops when its holder dies, however it dies. Process ids are
used again, and times of processes move with the clock; locks do neither.
"""

from __future__ import annotations

import fcntl
import os
from enum import Enum
from pathlib import Path

_held: list[int] = []


class Life(Enum):
    """Whether a worker is there."""

    THERE = "there"
    GONE = "gone"
    UNKNOWN = "unknown"


def appear(directory: Path, run_id: str) -> None:
    """Show, until this process ends, that the worker of a run is there.

    Args:
        directory: of all signs of life.
    """
    directory.mkdir(parents=True, exist_ok=True)
    own = directory / f".{run_id}.{os.getpid()}"
    descriptor = os.open(own, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, str(os.getpid()).encode())
    os.replace(own, directory / run_id)  # nobody ever sees it without its lock
    _held.append(descriptor)


def claim_launch(directory: Path, run_id: str) -> bool:
    """Claim to be the one who launches a run; return whether nobody has done so before.

    Args:
        directory: of all signs of life.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(_launch(directory, run_id), os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    return True


def give_launch_up(directory: Path, run_id: str) -> None:
    """Let others launch a run that could not be launched."""
    _launch(directory, run_id).unlink(missing_ok=True)


def _launch(directory: Path, run_id: str) -> Path:
    return directory / f"{run_id}.launched"


def look_at(directory: Path, run_id: str) -> tuple[Life, int | None]:
    """Look whether the worker of a run is there; return that, and its process id if it is."""
    try:
        descriptor = os.open(directory / run_id, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Life.UNKNOWN, None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, 32)
        return Life.THERE, int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)
    return Life.GONE, None
