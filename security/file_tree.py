"""The file tree: everything that a path holds, listed and hashed without believing any of it.

1. Each entry is opened through its directory's descriptor and never by its path, and no link is
   followed: nobody can exchange a directory on the way between the listing and the reading.
2. What is opened has to be what was listed: a file or a directory. Links, devices, sockets and
   pipes are refused: what they lead to is not what was signed, or would wait for ever.
3. Nothing is left out, whatever its name: ``.git`` can hold code like any other directory.
4. An empty directory is refused: no digest tells that it is there.
5. A file is read to its end once, and is the same before and after (size and times).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from security.digest import digest_tree
from security.errors import SecurityError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20  # bytes
_DEEPEST = 100


class TreeError(SecurityError):
    """A path holds what is no plain file, or changes while it is read.

    Attributes:
        exit_code: 1: it was looked at, and is not what can be signed or verified.
    """

    kind = "tree"
    exit_code = 1


@dataclass(frozen=True, slots=True)
class FileTree:
    """What a path holds.

    Attributes:
        files: sha256 by path relative to it (POSIX separators); a file's own path is ``.``.
        size: in bytes, of all of them.
        directory: whether the path is a directory.
    """

    files: Mapping[str, str]
    size: int
    directory: bool

    @property
    def digest(self) -> dict[str, str]:
        """The digest by which a statement is about it."""
        if self.directory:
            return {"dirHash": digest_tree(self.files.items())}
        return {"sha256": self.files["."]}


def read_tree(path: Path) -> FileTree:
    """Read a file or a directory by the steps above.

    Raises:
        TreeError: there is something else, or it changes meanwhile.
        OSError: it cannot be read.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError as error:
        raise TreeError(f"no such file: {path}", "look at its name") from error
    if stat.S_ISDIR(mode):
        return _read_directory(path)
    if not stat.S_ISREG(mode):  # 2
        raise _refuse(str(path), "not a file or directory")
    where = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sha256, size = _read_file(where, path.name, str(path))
    finally:
        os.close(where)
    return FileTree({".": sha256}, size, False)


def _read_directory(path: Path) -> FileTree:
    found: dict[str, tuple[str, int]] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        descriptor = os.open(path, _DIRECTORY)
        try:
            _walk(descriptor, "", found, pool, 0)
        finally:
            os.close(descriptor)
    files = {name: sha256 for name, (sha256, _) in sorted(found.items())}
    return FileTree(files, sum(size for _, size in found.values()), True)


def _walk(
    descriptor: int,
    prefix: str,
    found: dict[str, tuple[str, int]],
    pool: ThreadPoolExecutor,
    depth: int,
) -> None:
    names = sorted(os.listdir(descriptor))  # 3
    if not names:  # 4
        raise _refuse(prefix or ".", "an empty directory")
    if depth > _DEEPEST:
        raise _refuse(prefix, "nested too deep")
    files: list[str] = []
    for name in names:
        mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            inner = os.open(name, _DIRECTORY, dir_fd=descriptor)  # 1
            try:
                _walk(inner, f"{prefix}{name}/", found, pool, depth + 1)
            finally:
                os.close(inner)
        elif stat.S_ISREG(mode):
            files.append(name)
        else:  # 2
            raise _refuse(f"{prefix}{name}", "a link or special file")
    read = pool.map(lambda name: _read_file(descriptor, name, f"{prefix}{name}"), files)
    found.update((f"{prefix}{name}", one) for name, one in zip(files, read, strict=True))


def _read_file(directory: int, name: str, shown: str) -> tuple[str, int]:
    sha256 = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    size = 0
    with os.fdopen(os.open(name, _FILE, dir_fd=directory), "rb", buffering=0) as stream:
        before = os.fstat(stream.fileno())
        if not stat.S_ISREG(before.st_mode):  # 2
            raise _refuse(shown, "a link or special file")
        while count := stream.readinto(buffer):
            sha256.update(buffer[:count])
            size += count
        after = os.fstat(stream.fileno())
    if _stamp(before) != _stamp(after) or size != after.st_size:  # 5
        raise _refuse(shown, "changed while it was read")
    return sha256.hexdigest(), size


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _refuse(path: str, what: str) -> TreeError:
    return TreeError(f"{what}: {path}", "leave plain files only, and look how it came there")
