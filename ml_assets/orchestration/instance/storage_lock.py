"""The lock of Dagster's storage, for one ``ml-assets ui`` at a time with its server and daemon.

Two daemons on one storage would both start runs. The family shares one flock by an inherited
descriptor, which the kernel releases when the last of these processes ends for any reason. So a
daemon whose parents were killed still holds it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resources.errors import ConfigurationError

_NAME = "ui.lock"
_LONGEST = 65536  # bytes read of the file


@contextmanager
def hold_storage(home: Path) -> Iterator[int]:
    """Hold the storage of an instance within the block; yield the descriptor to pass on.

    Args:
        home: the directory of the instance.

    Raises:
        ConfigurationError: another family holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW  # the file is truncated below
    descriptor = os.open(home / _NAME, flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _refuse(descriptor) from error
        os.ftruncate(descriptor, 0)
        note_holder(descriptor, os.getpid())
        yield descriptor
    finally:
        os.close(descriptor)  # children that live still hold the lock


def note_holder(descriptor: int, process: int) -> None:
    """Note a process that has got the descriptor, for the message to another family.

    The file tells only whom to name: the kernel knows who holds the lock.
    """
    start = _read_start(process)
    if start is not None:  # otherwise it has ended, and holds nothing
        os.write(descriptor, f"{process} {start}\n".encode())


def _refuse(descriptor: int) -> ConfigurationError:
    """Name the first process of the family, which ends the others, or those left of it."""
    noted = os.pread(descriptor, _LONGEST, 0).decode("ascii", "replace").splitlines()
    living = [line.split()[0] for line in noted if _is_alive(line)]
    if living and noted[0].startswith(f"{living[0]} "):
        living = living[:1]
    processes = " ".join(living)
    stop = f"stop it with: kill {processes}" if processes else "stop it"
    return ConfigurationError(
        f"another Dagster daemon uses this storage: process {processes or 'unknown'}",
        f"{stop}, or show only: ml-assets ui --read-only",
    )


def _is_alive(line: str) -> bool:
    """Whether a noted process lives; process ids are reused."""
    process, _, start = line.partition(" ")
    if not process.isdigit() or not start.isdigit():
        return False
    return _read_start(int(process)) == int(start)


def _read_start(process: int) -> int | None:
    """Return the start of a process in ticks, which no clock moves; None after its end.

    This file is also readable of processes that protect their memory and descriptors.
    """
    try:
        text = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return None
    state, *values = text[text.rindex(b")") + 1 :].split()
    return None if state in (b"Z", b"X") else int(values[18])
