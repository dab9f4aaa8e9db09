"""The files that receive the output of this process: ``ml-assets check > report.txt``.

A shell creates such a file before the process starts, and it grows while gates run. With
``| tee report.txt`` another process of the pipeline writes it. Linux tells in ``/proc`` which files
a process has open; elsewhere none are found.

1. The regular files of standard output and standard error.
2. The files that a reader of our pipe has open for writing, and those of the readers of its pipes.
   Only our ancestors in the session and their children count: a shell starts all processes of a
   pipeline.

A process with its own view of the files may not look at others: ``remember_readers`` does before.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROCESSES = Path("/proc")
_STREAMS = (1, 2)
_remembered: set[str] = set()
_MOST_ANCESTORS, _MOST_CHILDREN = 32, 64


def remember_readers() -> None:
    """Find the files of the readers of our pipes now, for all later calls."""
    _remembered.update(_readers_files())


def find_own_output(root: Path) -> list[str]:
    """Return the files below a directory that the output of this process goes to."""
    real = os.path.realpath(root)
    below = (
        name
        for name in {*_own_files(), *_readers_files(), *_remembered}
        if name.startswith(f"{real}/")
    )
    return sorted(os.path.relpath(name, real) for name in below)


def _own_files() -> Iterator[str]:
    """Step 1."""
    for stream in _STREAMS:
        try:
            if stat.S_ISREG(os.fstat(stream).st_mode):
                yield os.readlink(f"/proc/self/fd/{stream}")
        except OSError:
            continue  # closed, or no Linux


def _readers_files() -> Iterator[str]:
    """Step 2."""
    waiting = _own_pipes()
    processes = list(map(_read_process, _relatives())) if waiting else []
    seen: set[str] = set()
    while waiting:
        pipe = waiting.pop()
        if pipe in seen:
            continue
        seen.add(pipe)
        for one in processes:
            if pipe in one.reads:
                yield from one.files
                waiting |= one.pipes


def _own_pipes() -> set[str]:
    found: set[str] = set()
    for stream in _STREAMS:
        try:
            status = os.fstat(stream)
        except OSError:
            continue
        if stat.S_ISFIFO(status.st_mode):
            found.add(f"pipe:[{status.st_ino}]")
    return found


@dataclass(frozen=True, slots=True)
class _Process:
    """What a process reads, and where it writes to.

    Attributes:
        reads: the pipes that it reads.
        pipes: the pipes that it writes to.
        files: the files that it writes to.
    """

    reads: frozenset[str]
    pipes: frozenset[str]
    files: frozenset[str]


def _read_process(number: int) -> _Process:
    """Read the open files of a process; none of one that ended or is another user's."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    try:
        for name in os.listdir(_PROCESSES / str(number) / "fd"):
            target = os.readlink(_PROCESSES / str(number) / "fd" / name)
            if target.startswith(("/", "pipe:")):
                found[_is_written(number, name)].add(target)
    except (OSError, ValueError):
        return _Process(frozenset(), frozenset(), frozenset())
    return _Process(
        frozenset(one for one in found[False] if one.startswith("pipe:")),
        frozenset(one for one in found[True] if one.startswith("pipe:")),
        frozenset(one for one in found[True] if one.startswith("/")),
    )


def _is_written(number: int, name: str) -> bool:
    """Say whether an open file can be written."""
    text = (_PROCESSES / str(number) / "fdinfo" / name).read_text()
    flags = next(line for line in text.splitlines() if line.startswith("flags:"))
    return bool(int(flags.split()[1], 8) & (os.O_WRONLY | os.O_RDWR))


def _relatives() -> set[int]:
    """Return the ancestors of this process in its session, and their children."""
    found: set[int] = set()
    number = os.getppid()
    for _ in range(_MOST_ANCESTORS):
        try:
            if os.getsid(number) != os.getsid(0):
                break
            fields = (_PROCESSES / str(number) / "stat").read_text().rpartition(")")[2].split()
            tasks = _PROCESSES / str(number) / "task" / str(number) / "children"
            children = [int(one) for one in tasks.read_text().split()[:_MOST_CHILDREN]]
        except (OSError, ValueError):
            break
        found.update((number, *children))
        number = int(fields[1])
    return found - {os.getpid()}
