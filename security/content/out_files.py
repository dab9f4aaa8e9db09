"""The files of an out: each is opened once, without following links, with its identity."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

DEEPEST = 64
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Identity: TypeAlias = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class OutFile:
    """One regular file of an out, open until the caller requests the next one.

    Attributes:
        path: relative to the out; empty if the out is this file.
        identity: the result of ``identify`` after opening.
    """

    path: str
    descriptor: int
    identity: Identity


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """An entry that cannot be opened safely, and the reason.

    Attributes:
        path: relative to the out; empty for the out itself.
    """

    path: str
    reason: str


def identify(descriptor: int) -> Identity:
    """Return device, inode, size, mtime and ctime; writing, renaming or replacing changes one.

    Only the kernel can set the ctime.
    """
    status = os.fstat(descriptor)
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def is_behind_link(out: Path, project: Path) -> bool:
    """Say whether a link in the path of an out leads outside the project."""
    parent, root = Path(os.path.realpath(out.parent)), Path(os.path.realpath(project))
    return out.is_relative_to(project) and not parent.is_relative_to(root)


def open_files(out: Path, most: int) -> Iterator[OutFile | RefusedFile]:
    """Open the files of an out one after another, in the order of their names.

    1. A link is refused and never followed, whether it is the out itself, a file or a directory.
    2. Pipes, sockets and devices are refused; opening them does not block.
    3. A directory is opened through its parent's descriptor, so that it cannot be exchanged for a
       link meanwhile.
    4. Files beyond the number ``most`` or the depth ``DEEPEST`` are refused as a group.
    """
    if not out.is_dir() or out.is_symlink():
        yield from _open(out.name, None, "", out)
        return
    refused: list[RefusedFile] = []

    def refuse(error: OSError) -> None:
        inner = os.path.relpath(str(error.filename or ""), out)
        refused.append(RefusedFile(inner, f"cannot list directory: {_explain(error)}"))

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


def open_data(out: Path) -> Iterator[OutFile]:
    """Open the regular files of data one after another, as a reader finds them: links are followed.

    What cannot be opened is left out: no stage can read it either.
    """
    seen: set[str] = set()
    waiting = [out]
    while waiting:
        place = waiting.pop()
        real = os.path.realpath(place)
        if real in seen:
            continue
        seen.add(real)
        base = "" if place == out else os.path.relpath(place, out)
        for entry in open_files(Path(real), sys.maxsize):
            path = "/".join(part for part in (base, entry.path) if part)
            if isinstance(entry, OutFile):
                yield OutFile(path, entry.descriptor, entry.identity)
            elif os.path.isdir(place / entry.path) or os.path.islink(place / entry.path):
                waiting.append(place / entry.path)  # a link, or a directory too deep for one walk


def _links(names: list[str], directory: int) -> list[str]:
    """Return the links among the entries of a directory."""
    status = {name: os.stat(name, dir_fd=directory, follow_symlinks=False) for name in names}
    return sorted(name for name, one in status.items() if stat.S_ISLNK(one.st_mode))


def _open(
    name: str, directory: int | None, path: str, out: Path
) -> Iterator[OutFile | RefusedFile]:
    """Open one file, and close it when the caller requests the next."""
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
            yield RefusedFile(path, "is not a regular file")  # 2
    finally:
        os.close(descriptor)


def _reason(target: str, directory: int | None, error: OSError) -> str:
    """Return why a file could not be opened."""
    try:
        status = os.stat(target, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return f"cannot open file: {_explain(error)}"
    if stat.S_ISLNK(status.st_mode):
        return "is a symbolic link"  # 1
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"  # 2
    return f"cannot open file: {_explain(error)}"


def _explain(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
