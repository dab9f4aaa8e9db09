"""The file tree: everything that a path holds, listed and hashed without believing any of it.

1. Each entry is opened through its directory's descriptor and never by its path, and no link is
   followed: nobody can exchange a directory on the way between the listing and the reading.
2. What is opened has to be what was listed: a file or a directory. Links, devices, sockets and
   pipes are refused: what they lead to is not what was signed, or would wait for ever.
3. Nothing is left out, whatever its name: ``.git`` can hold code like any other directory.
4. An empty directory is refused: no digest tells that it is there.
5. A file is read to its end once, and is the same before and after (size and times). A copy, where
   one is asked for, is made of the bytes of that reading.
6. Permission bits are those of the descriptors that were read, not of what the paths lead to later.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from security.content.digest import digest_tree
from security.content.file_mode import own_mode
from security.content.private_copy import PrivateCopy
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
        modes: ``st_mode`` by path, of directories too (``file_mode``); the path's own is
            under ``.``.
    """

    files: Mapping[str, str]
    size: int
    directory: bool
    modes: Mapping[str, int]

    @property
    def digest(self) -> dict[str, str]:
        """The digest by which a statement is about it."""
        if self.directory:
            return {"dirHash": digest_tree(self.files.items())}
        return {"sha256": self.files["."]}


def read_tree(path: Path, copy: PrivateCopy | None = None) -> FileTree:
    """Read a file or a directory by the steps above.

    Args:
        copy: gets the bytes that are read.

    Raises:
        TreeError: there is something else, or it changes meanwhile.
        OSError: it cannot be read, or the copy not be written.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError as error:
        raise TreeError(f"no such file: {path}", "look at its name") from error
    reading = _Reading(path, copy)
    if stat.S_ISDIR(mode):
        return reading.read_directory()
    if not stat.S_ISREG(mode):  # 2
        raise _refuse(str(path), "not a file or directory")
    return reading.read_file()


@dataclass(frozen=True, slots=True)
class _ReadFile:
    """What one file holds."""

    sha256: str
    size: int
    mode: int


class _Reading:
    """One reading of a path, with what it has found."""

    def __init__(self, path: Path, copy: PrivateCopy | None) -> None:
        self._path = path
        self._copy = copy
        self._found: dict[str, _ReadFile] = {}
        self._modes: dict[str, int] = {}

    def read_file(self) -> FileTree:
        """Read it as a file."""
        where = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._found["."] = self._read(where, self._path.name, ".")
        finally:
            os.close(where)
        return self._result(directory=False)

    def read_directory(self) -> FileTree:
        """Read it as a directory, several files at a time."""
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            descriptor = os.open(self._path, _DIRECTORY)
            try:
                self._walk(descriptor, "", os.stat(self._path.parent).st_mode, pool)
            finally:
                os.close(descriptor)
        return self._result(directory=True)

    def _result(self, *, directory: bool) -> FileTree:
        found = dict(sorted(self._found.items()))
        files = {path: one.sha256 for path, one in found.items()}
        modes = self._modes | {path: one.mode for path, one in found.items()}
        return FileTree(files, sum(one.size for one in found.values()), directory, modes)

    def _walk(self, descriptor: int, prefix: str, parent: int, pool: ThreadPoolExecutor) -> None:
        mode = os.fstat(descriptor).st_mode
        path = prefix.removesuffix("/") or "."
        self._modes[path] = own_mode(mode, parent)  # 6
        if self._copy is not None:
            self._copy.make_directory(path)
        names = sorted(os.listdir(descriptor))  # 3
        if not names:  # 4
            raise _refuse(path, "an empty directory")
        if prefix.count("/") > _DEEPEST:
            raise _refuse(path, "nested too deep")
        files: list[str] = []
        for name in names:
            kind = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
            if stat.S_ISDIR(kind):
                inner = os.open(name, _DIRECTORY, dir_fd=descriptor)  # 1
                try:
                    self._walk(inner, f"{prefix}{name}/", mode, pool)
                finally:
                    os.close(inner)
            elif stat.S_ISREG(kind):
                files.append(name)
            else:  # 2
                raise _refuse(f"{prefix}{name}", "a link or special file")
        read = pool.map(lambda name: self._read(descriptor, name, f"{prefix}{name}"), files)
        self._found.update((f"{prefix}{name}", one) for name, one in zip(files, read, strict=True))

    def _read(self, directory: int, name: str, path: str) -> _ReadFile:
        shown = str(self._path) if path == "." else path
        with os.fdopen(os.open(name, _FILE, dir_fd=directory), "rb", buffering=0) as stream:
            before = os.fstat(stream.fileno())
            if not stat.S_ISREG(before.st_mode):  # 2
                raise _refuse(shown, "a link or special file")
            sha256, size = self._read_bytes(stream, path)
            after = os.fstat(stream.fileno())
        if _stamp(before) != _stamp(after) or size != after.st_size:  # 5
            raise _refuse(shown, "changed while it was read")
        return _ReadFile(sha256, size, after.st_mode)  # 6

    def _read_bytes(self, stream: io.RawIOBase, path: str) -> tuple[str, int]:
        """Read to the end; return the sha256 and how much it was."""
        sha256 = hashlib.sha256()
        buffer = memoryview(bytearray(_CHUNK))
        size = 0
        with self._copy.write_file(path) if self._copy else nullcontext() as write:
            while count := stream.readinto(buffer):
                sha256.update(buffer[:count])
                if write is not None:
                    write(buffer[:count])
                size += count
        return sha256.hexdigest(), size


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _refuse(path: str, what: str) -> TreeError:
    return TreeError(f"{what}: {path}", "leave plain files only, and look how it came there")
