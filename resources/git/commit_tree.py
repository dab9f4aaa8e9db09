"""The tree of a commit: its files below a directory, with those of its submodules."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path

from resources.errors import UnavailableError
from resources.git.object_database import open_objects
from resources.git.object_format import EXECUTABLE, LINK, SUBMODULE, GitEntry
from resources.git.repository import list_entries_at
from resources.git.submodule_files import SubmoduleFiles

_MOST_LINKS = 8


class CommitTree:
    """Reads the files of one commit by path, relative to a directory.

    Raises:
        UnavailableError: by each method: Git fails, or an object does not have its hash.
    """

    def __init__(self, directory: Path, commit: str) -> None:
        self._directory = directory
        self._commit = commit

    @cached_property
    def entries(self) -> Mapping[str, GitEntry]:
        """The files and links of the commit by path."""
        own = {path: one for path, one in self._own.items() if one.mode != SUBMODULE}
        return {**own, **self._submodules.entries}

    @property
    def executables(self) -> dict[str, bool]:
        """Whether each file is executable, by path, as a working tree shows it through links.

        Links to directories, and links that lead to no file of the commit, are left out.
        """
        found = {path: self.resolve(path) for path in self.entries}
        return {path: one.mode == EXECUTABLE for path, one in found.items() if one is not None}

    def is_unknown(self, path: str) -> bool:
        """Whether a path lies in a submodule whose commit no repository here has."""
        return any(path.startswith(f"{one}/") for one in self._submodules.absent)

    def resolve(self, path: str) -> GitEntry | None:
        """Return the regular file at a path, through links of the commit; None without one."""
        for _ in range(_MOST_LINKS):
            entry = self.entries.get(path)
            if entry is None or entry.mode != LINK:
                return entry
            target = os.fsdecode(self.read_blobs([entry.hash])[entry.hash])
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        return None

    def read(self, path: str) -> bytes:
        """Return the bytes of a file, through links of the commit.

        Raises:
            UnavailableError: the commit has no such file, or an object does not have its hash.
        """
        entry = self.resolve(path)
        if entry is None:
            raise UnavailableError(
                f"not a file of {self._commit[:12]}: {path}",
                f"list its files: git -C {self._directory} ls-tree -r {self._commit[:12]}",
            )
        return self.read_blobs([entry.hash])[entry.hash]

    def read_blobs(self, names: Collection[str]) -> dict[str, bytes]:
        """Return the bytes of files by hash."""
        inner = self._submodules.read_blobs(names)
        return inner | open_objects(self._directory).read_blobs(set(names) - inner.keys())

    @cached_property
    def _submodules(self) -> SubmoduleFiles:
        return SubmoduleFiles(self._directory, self._own)

    @cached_property
    def _own(self) -> dict[str, GitEntry]:
        return list_entries_at(self._directory, self._commit)
