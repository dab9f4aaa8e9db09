"""Files of an out: each is opened once, without following a link, and known by what it was then."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

DEEPEST = 64
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Identity: TypeAlias = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class OutFile:
    """One plain file of an out, open for reading until the next one is asked for.

    Attributes:
        path: relative to the out; empty where the out is this file.
        identity: as ``identify`` has told when it was opened.
    """

    path: str
    descriptor: int
    identity: Identity


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """What cannot be opened safely, and why.

    Attributes:
        path: relative to the out; empty where it is the out itself.
    """

    path: str
    reason: str


def identify(descriptor: int) -> Identity:
    """Return what changes when a file is written to, renamed, or another one: device, inode, size
    and the two times, of which the second is set by nobody but the system."""
    status = os.fstat(descriptor)
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def is_behind_link(out: Path, project: Path) -> bool:
    """Say whether a link on the way to an out leads out of the project."""
    parent, root = Path(os.path.realpath(out.parent)), Path(os.path.realpath(project))
    return out.is_relative_to(project) and not parent.is_relative_to(root)


def open_files(out: Path, most: int) -> Iterator[OutFile | RefusedFile]:
    """Open the files of an out one after another, in the order of their names.

    1. A link is refused, and never followed: the out itself, a file or a directory.
    2. Pipes, sockets and devices are refused; opening them does not wait.
    3. A directory is entered from the one it was found in, so that it cannot be exchanged for a
       link meanwhile.
    4. More files than ``most``, or deeper ones than ``DEEPEST``, are refused together.
    """
    if not out.is_dir() or out.is_symlink():
        yield from _open(out.name, None, "", out)
        return
    refused: list[RefusedFile] = []

    def refuse(error: OSError) -> None:
        inner = os.path.relpath(str(error.filename or ""), out)
        refused.append(RefusedFile(inner, f"cannot be listed: {_explain(error)}"))

    opened = 0
    for directory, inside, names, entered in os.fwalk(out, onerror=refuse):  # 3
        place = os.path.relpath(directory, out)
        prefix = "" if place == "." else f"{place}/"
        for name in _links(inside, entered):
            yield RefusedFile(prefix + name, "is a symbolic link")  # 1
        for name in sorted(names):
            opened += 1
            if opened > most:  # 4
                yield RefusedFile("", f"holds more than {most} files")
                return
            yield from _open(name, entered, prefix + name, out)
        inside.sort()
        if place.count("/") >= DEEPEST and inside:
            inside.clear()
            yield RefusedFile(place, "directories are nested too deeply")
    yield from refused


def _links(names: list[str], directory: int) -> list[str]:
    """Return which of the entries of a directory are links."""
    status = {name: os.stat(name, dir_fd=directory, follow_symlinks=False) for name in names}
    return sorted(name for name, one in status.items() if stat.S_ISLNK(one.st_mode))


def _open(
    name: str, directory: int | None, path: str, out: Path
) -> Iterator[OutFile | RefusedFile]:
    """Open one file, and close it when the next is asked for."""
    target = name if directory is not None else str(out)
    try:
        descriptor = os.open(target, _FILE, dir_fd=directory)
    except OSError as error:
        yield RefusedFile(path, _reason(target, directory, error))
        return
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            yield OutFile(path, descriptor, identify(descriptor))
        else:
            yield RefusedFile(path, "is not a plain file")  # 2
    finally:
        os.close(descriptor)


def _reason(target: str, directory: int | None, error: OSError) -> str:
    """Say why a file could not be opened."""
    try:
        status = os.stat(target, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return f"cannot be opened: {_explain(error)}"
    if stat.S_ISLNK(status.st_mode):
        return "is a symbolic link"  # 1
    if not stat.S_ISREG(status.st_mode):
        return "is not a plain file"  # 2
    return f"cannot be opened: {_explain(error)}"


def _explain(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
