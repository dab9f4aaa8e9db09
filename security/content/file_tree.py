"""A file tree: all files of an untrusted path, listed and hashed.

1. Each entry is opened through the descriptor of its directory, never by its path, and no link is
   followed: an attacker cannot exchange a directory between listing and reading.
2. An opened entry is a file or a directory, as listed. Links, devices, sockets and pipes are
   refused: their content is not the signed one, or reading them would block.
3. No name is excluded: ``.git`` can hold code like any other directory.
4. An empty directory is refused: it does not change the digest.
5. A file is read once to its end, and its size and times are equal before and after. A requested
   copy gets the bytes of that read.
6. Permission bits come from the descriptors that were read, not from a later lookup of the paths.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from security.content.digest import digest_tree
from security.content.file_mode import own_mode
from security.content.private_copy import PrivateCopy
from security.errors import SecurityError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20  # bytes
_DEEPEST = 100

State: TypeAlias = tuple[int, int, int, int]


class TreeError(SecurityError):
    """A path holds an entry that is not a regular file, or changes during the read.

    Attributes:
        exit_code: 1: the path was read, and it cannot be signed or verified.
    """

    kind = "tree"
    exit_code = 1


@dataclass(frozen=True, slots=True)
class FileTree:
    """The content of a path.

    Attributes:
        files: sha256 by relative path (POSIX separators); ``.`` for a single file.
        size: total size in bytes.
        directory: whether the path is a directory.
        modes: ``st_mode`` by relative path, also of directories (``file_mode``); ``.`` for the path
            itself.
        states: ``state_of`` each file when it was read, by relative path.
    """

    files: Mapping[str, str]
    size: int
    directory: bool
    modes: Mapping[str, int]
    states: Mapping[str, State] = field(default_factory=dict)

    @property
    def digest(self) -> dict[str, str]:
        """The digest of the subject in a statement."""
        if self.directory:
            return {"dirHash": digest_tree(self.files.items())}
        return {"sha256": self.files["."]}


def read_tree(path: Path, copy: PrivateCopy | None = None) -> FileTree:
    """Read a file or a directory by the steps above.

    Args:
        copy: receives the bytes of the read.

    Raises:
        TreeError: the path is missing, holds a forbidden entry, or changes during the read.
        OSError: a file cannot be read, or the copy cannot be written.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError as error:
        raise TreeError(f"no such file: {path}", "check the path") from error
    reading = _Reading(path, copy)
    if stat.S_ISDIR(mode):
        return reading.read_directory()
    if not stat.S_ISREG(mode):  # 2
        raise _refuse(str(path), "not a file or directory")
    return reading.read_file()


@dataclass(frozen=True, slots=True)
class _ReadFile:
    """The digest, size and mode of one file."""

    sha256: str
    size: int
    mode: int
    state: State


class _Reading:
    """One read of a path, and its results so far."""

    def __init__(self, path: Path, copy: PrivateCopy | None) -> None:
        self._path = path
        self._copy = copy
        self._found: dict[str, _ReadFile] = {}
        self._modes: dict[str, int] = {}

    def read_file(self) -> FileTree:
        """Read the path as a file."""
        where = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._found["."] = self._read(where, self._path.name, ".")
        finally:
            os.close(where)
        return self._result(directory=False)

    def read_directory(self) -> FileTree:
        """Read the path as a directory, several files at a time."""
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
        states = {path: one.state for path, one in found.items()}
        return FileTree(files, sum(one.size for one in found.values()), directory, modes, states)

    def _walk(self, descriptor: int, prefix: str, parent: int, pool: ThreadPoolExecutor) -> None:
        mode = os.fstat(descriptor).st_mode
        path = prefix.removesuffix("/") or "."
        self._modes[path] = own_mode(mode, parent)  # 6
        if self._copy is not None:
            self._copy.make_directory(path)
        names = sorted(os.listdir(descriptor))  # 3
        if not names:  # 4
            raise _refuse(path, "empty directory")
        if prefix.count("/") > _DEEPEST:
            raise _refuse(path, "nested too deeply")
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
                raise _refuse(f"{prefix}{name}", "link or special file")
        read = pool.map(lambda name: self._read(descriptor, name, f"{prefix}{name}"), files)
        self._found.update((f"{prefix}{name}", one) for name, one in zip(files, read, strict=True))

    def _read(self, directory: int, name: str, path: str) -> _ReadFile:
        shown = str(self._path) if path == "." else path
        with os.fdopen(os.open(name, _FILE, dir_fd=directory), "rb", buffering=0) as stream:
            before = os.fstat(stream.fileno())
            if not stat.S_ISREG(before.st_mode):  # 2
                raise _refuse(shown, "link or special file")
            sha256, size = self._read_bytes(stream, path)
            after = os.fstat(stream.fileno())
        if state_of(before) != state_of(after) or size != after.st_size:  # 5
            raise _refuse(shown, "changed during the read")
        return _ReadFile(sha256, size, after.st_mode, state_of(after))  # 6

    def _read_bytes(self, stream: io.RawIOBase, path: str) -> tuple[str, int]:
        """Read to the end; return the sha256 and the number of bytes."""
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


def state_of(status: os.stat_result) -> State:
    """Return inode, size, mtime and ctime; writing or replacing a file changes one."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _refuse(path: str, what: str) -> TreeError:
    return TreeError(f"{what}: {path}", "keep only regular files, and find the cause of this one")
