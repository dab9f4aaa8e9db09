"""Content: what a path holds, as DVC identifies it and as evidence needs it.

What is only recorded of a path, its bytes being elsewhere, is another value: it has no sha256, so
that nothing can be stated or judged of bytes that nobody has read.
"""

from __future__ import annotations

import json
import os
import stat as modes
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import md5
from typing import TypeAlias

from resources.errors import StageError
from resources.stores.digest_store import DigestStore
from security.content.digest import digest_tree

#: Yields (directory, names of its files), the way ``os.walk`` does.
Walk = Callable[[str], Iterator[tuple[str, list[str]]]]


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of a directory, its path relative to it (POSIX separators)."""

    path: str
    md5: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a path holds.

    Attributes:
        md5: DVC's identity of it; ends in ``.dir`` for a directory.
        sha256: of the file's bytes, or of the directory's listing (``digest_tree``).
        size: in bytes, of all files together.
        entries: the files of a directory, sorted by path; None for a file.
        executable: the owner may execute the file.
    """

    md5: str
    sha256: str
    size: int
    entries: tuple[TreeEntry, ...] | None = None
    executable: bool = False

    def lock_fields(self) -> dict[str, str | int | bool]:
        """Return what ``dvc.lock`` records of it, in DVC's order."""
        files = len(self.entries) if self.entries is not None else None
        return _lock_fields(self.md5, self.size, files, self.executable)


@dataclass(frozen=True, slots=True)
class RecordedContent:
    """What a path is recorded to hold whose bytes are elsewhere, in a cache or in a remote.

    Attributes:
        md5: DVC's identity of it; ends in ``.dir`` for a directory.
        size: in bytes, of all files together.
        files: how many a directory holds; None for a file.
        executable: the owner may execute the file.
    """

    md5: str
    size: int
    files: int | None = None
    executable: bool = False

    def lock_fields(self) -> dict[str, str | int | bool]:
        """Return what ``dvc.lock`` records of it, in DVC's order."""
        return _lock_fields(self.md5, self.size, self.files, self.executable)


#: What identifies what a path holds, whether or not its bytes are here.
KnownContent: TypeAlias = Content | RecordedContent


def _lock_fields(
    md5: str, size: int, files: int | None, executable: bool
) -> dict[str, str | int | bool]:
    fields: dict[str, str | int | bool] = {"hash": "md5", "md5": md5, "size": size}
    if files is not None:
        fields["nfiles"] = files
    if executable:
        fields["isexec"] = True
    return fields


def tree_bytes(entries: tuple[TreeEntry, ...]) -> bytes:
    """Serialize a directory's listing as DVC keeps it in its cache (``.dir`` objects)."""
    return listing_bytes((entry.path, entry.md5) for entry in entries)


def listing_bytes(files: Iterable[tuple[str, str]]) -> bytes:
    """Serialize the (path, md5) pairs of a directory's files, sorted by path."""
    listing = [{"md5": digest, "relpath": path} for path, digest in files]
    return json.dumps(listing, sort_keys=True).encode("utf-8")


class ContentReader:
    """Reads what paths hold, each state of a file once. Safe for threads.

    Args:
        store: where digests are remembered.
        walk: lists a directory as DVC would see it.
    """

    def __init__(self, store: DigestStore, walk: Walk | None = None) -> None:
        self.store = store
        self._walk = walk or plain_walk

    def read(self, path: str) -> Content | None:
        """Read what a path holds; None when nothing is there.

        Raises:
            OSError: it is there and cannot be read.
            StageError: a directory holds what DVC refuses.
        """
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if modes.S_ISDIR(status.st_mode):
            return self._read_directory(path)
        if not modes.S_ISREG(status.st_mode):
            raise _no_file(path)
        digests = self.store.digest(path, status)
        executable = bool(status.st_mode & (modes.S_IXUSR | modes.S_IXGRP | modes.S_IXOTH))
        return Content(digests.md5, digests.sha256, digests.size, executable=executable)

    def _read_directory(self, path: str) -> Content:
        entries: list[TreeEntry] = []
        size = 0
        for directory, names in self._walk(path):
            if ".dvcignore" in names:
                hint = f"remove it, or move it up: {os.path.join(directory, '.dvcignore')}"
                raise StageError(f".dvcignore inside a tracked directory: {directory}", hint)
            for name in names:
                file = os.path.join(directory, name)
                status = os.stat(file)
                if not modes.S_ISREG(status.st_mode):
                    raise _no_file(file)
                digests = self.store.digest(file, status)
                relative = os.path.relpath(file, path).replace(os.sep, "/")
                entries.append(TreeEntry(relative, digests.md5, digests.sha256))
                size += digests.size
        listing = tuple(sorted(entries, key=lambda entry: entry.path))
        identity = md5(tree_bytes(listing), usedforsecurity=False).hexdigest()
        sha256 = digest_tree((entry.path, entry.sha256) for entry in listing)
        return Content(f"{identity}.dir", sha256, size, listing)


def _no_file(path: str) -> StageError:
    return StageError(f"not a file or directory: {path}", "remove it, or declare a file")


def plain_walk(top: str) -> Iterator[tuple[str, list[str]]]:
    """List a directory as DVC does where no ``.dvcignore`` has patterns.

    Links to directories are not followed, and neither are repositories inside it.
    """
    for directory, folders, names in os.walk(top):
        folders[:] = [
            folder
            for folder in folders
            if folder not in (".git", ".hg", ".dvc")
            and not os.path.isdir(os.path.join(directory, folder, ".dvc"))
        ]
        yield directory, [name for name in names if name != ".git"]
