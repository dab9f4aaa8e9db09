"""The worker file: shows whether the process of a run is alive.

The process holds an flock on the file, which the kernel releases when the process ends for any
reason. Process ids are reused and process times change with the clock; locks are reliable.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

#: The directory of all worker files, in that of the instance.
WORKERS = "workers"
_held: list[int] = []


class Life(Enum):
    """Whether the process of a run is alive."""

    THERE = "there"
    GONE = "gone"
    UNKNOWN = "unknown"


def appear(directory: Path, run_id: str) -> None:
    """Write and lock the worker file of a run until this process ends.

    Args:
        directory: the directory of all worker files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    own = directory / f".{run_id}.{os.getpid()}"
    descriptor = os.open(own, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, str(os.getpid()).encode())
    os.replace(own, directory / run_id)  # the file is never visible without its lock
    _held.append(descriptor)


def claim_launch(directory: Path, run_id: str) -> bool:
    """Claim the launch of a run; return whether this is the first claim.

    Args:
        directory: the directory of all worker files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(_launch(directory, run_id), os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    return True


def give_launch_up(directory: Path, run_id: str) -> None:
    """Release the launch of a run that could not be launched."""
    _launch(directory, run_id).unlink(missing_ok=True)


def _launch(directory: Path, run_id: str) -> Path:
    return directory / f"{run_id}.launched"


def list_workers(directory: Path) -> Iterator[int]:
    """Yield the processes of all runs that are alive.

    Args:
        directory: the directory of all worker files.
    """
    for name in os.listdir(directory) if directory.is_dir() else ():
        life, process = look_at(directory, name)
        if life is Life.THERE and process is not None:
            yield process


def look_at(directory: Path, run_id: str) -> tuple[Life, int | None]:
    """Return whether the process of a run is alive, and its process id if it is."""
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
