"""Content: the digests of a file or directory, for DVC (md5) and for evidence (sha256).

Content that is only recorded, with its bytes elsewhere, is another class without a sha256: no
statement or gate result can cover bytes that were not read.
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

#: Yields (directory, names of its files), similar to ``os.walk``.
Walk = Callable[[str], Iterator[tuple[str, list[str]]]]


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of a directory, with its path relative to the directory (POSIX)."""

    path: str
    md5: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file or directory whose bytes were read.

    Attributes:
        md5: the identifier in DVC; ends in ``.dir`` for a directory.
        sha256: of the bytes of a file, or of the listing of a directory (``digest_tree``).
        size: bytes of all files together.
        entries: the files of a directory, sorted by path; None for a file.
        executable: the file is executable.
    """

    md5: str
    sha256: str
    size: int
    entries: tuple[TreeEntry, ...] | None = None
    executable: bool = False

    def lock_fields(self) -> dict[str, str | int | bool]:
        """Return the fields of ``dvc.lock``, in the order of DVC."""
        files = len(self.entries) if self.entries is not None else None
        return _lock_fields(self.md5, self.size, files, self.executable)


@dataclass(frozen=True, slots=True)
class RecordedContent:
    """The recorded content of a path whose bytes are elsewhere, in a cache or remote.

    Attributes:
        md5: the identifier in DVC; ends in ``.dir`` for a directory.
        size: bytes of all files together.
        files: number of files in a directory; None for a file.
        executable: the file is executable.
    """

    md5: str
    size: int
    files: int | None = None
    executable: bool = False

    def lock_fields(self) -> dict[str, str | int | bool]:
        """Return the fields of ``dvc.lock``, in the order of DVC."""
        return _lock_fields(self.md5, self.size, self.files, self.executable)


#: Content of a path, read or only recorded.
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
    """Serialize the files of a directory as a ``.dir`` object of DVC's cache."""
    return listing_bytes((entry.path, entry.md5) for entry in entries)


def listing_bytes(files: Iterable[tuple[str, str]]) -> bytes:
    """Serialize (path, md5) pairs, sorted by path, as a ``.dir`` object."""
    listing = [{"md5": digest, "relpath": path} for path, digest in files]
    return json.dumps(listing, sort_keys=True).encode("utf-8")


class ContentReader:
    """Reads the content of paths, each state of a file once. Safe for threads.

    Args:
        store: caches digests.
        walk: lists a directory as DVC does.
    """

    def __init__(self, store: DigestStore, walk: Walk | None = None) -> None:
        self.store = store
        self._walk = walk or plain_walk

    def read(self, path: str) -> Content | None:
        """Read the content of a path; None if it does not exist.

        Raises:
            OSError: the path exists and cannot be read.
            StageError: a directory contains a file that DVC rejects.
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
                file = os.path.join(directory, ".dvcignore")
                hint = f"move it to the DVC root, or remove it: rm {file}"
                raise StageError(f".dvcignore inside a tracked directory: {directory}", hint)
            for name in names:
                file = os.path.join(directory, name)
                status = _stat_file(file)
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


def _stat_file(file: str) -> os.stat_result:
    """Return the status of a file that a directory has listed.

    Raises:
        StageError: it is a link to nothing, or is gone.
    """
    try:
        return os.stat(file)
    except FileNotFoundError as error:
        if os.path.islink(file):
            raise StageError(
                f"broken link: {file}", f"remove it, or restore its target: readlink {file}"
            ) from error
        raise StageError(
            f"file removed while its directory was read: {file}",
            "end the program that writes there, then run again",
        ) from error


def _no_file(path: str) -> StageError:
    return StageError(
        f"not a file or directory: {path}", f"remove it, or declare another path: ls -l {path}"
    )


def plain_walk(top: str, root: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """List a directory as DVC does without patterns in ``.dvcignore``.

    It follows no links to directories and enters no nested repositories. A directory that belongs
    to a repository directly below the DVC root has no files for DVC.

    Args:
        root: the DVC root.
    """
    if root is not None and _is_nested(top, root):
        return
    for directory, folders, names in os.walk(top):
        folders[:] = [
            folder
            for folder in folders
            if folder not in (".git", ".hg", ".dvc")
            and not os.path.isdir(os.path.join(directory, folder, ".dvc"))
        ]
        yield directory, [name for name in names if name != ".git"]


def _is_nested(path: str, root: str) -> bool:
    """Whether a path belongs to a DVC repository in a directory of the root."""
    first = os.path.relpath(path, root).split(os.sep)[0]
    return first not in (os.curdir, os.pardir) and os.path.isdir(os.path.join(root, first, ".dvc"))
