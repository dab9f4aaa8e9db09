"""The files of a run's commit, to compare with the bytes that its stages read.

Git's own answer comes from its index and from times of files, which a stage can set
(``assume-unchanged``, ``skip-worktree``, ``core.trustctime``). Here the bytes decide.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from resources.files import read_regular
from resources.git.object_database import open_objects
from resources.git.object_format import GitEntry
from resources.git.repository import list_entries_at

_LINK = "120000"
_SUBMODULE = "160000"
_MOST_LINKS = 8
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:[a-z0-9.-]+ [^\n]*\n)*?"
    rb"oid sha256:([0-9a-f]{64})\nsize [0-9]+\n?"
)
_BYTE_ORDER = (b"\xff\xfe", b"\xfe\xff")


class CommitFiles:
    """The files of one commit below the root of a project.

    Args:
        commit: the full hash; None before the first commit and outside of Git.
    """

    def __init__(self, root: Path, commit: str | None) -> None:
        self._root = root
        self._commit = commit
        self._blobs: dict[str, bytes] = {}

    @cached_property
    def entries(self) -> Mapping[str, GitEntry]:
        """The files by path, read from verified objects of Git."""
        return list_entries_at(self._root, self._commit) if self._commit else {}

    def find_differing(self, read: Mapping[str, str]) -> list[str]:
        """Return the files whose bytes are not those of the commit.

        Args:
            read: the sha256 of the bytes that were read, by path relative to the root.

        Raises:
            UnavailableError: an object of Git is missing or corrupt.
        """
        found = {path: self._resolve(path) for path in read}
        wanted = {one.hash for one in found.values() if one is not None} - self._blobs.keys()
        if wanted:
            self._blobs |= open_objects(self._root).read_blobs(wanted)
        return [
            path
            for path, entry in found.items()
            if entry is None or not self._is_equal(path, read[path], entry)
        ]

    def _resolve(self, path: str) -> GitEntry | None:
        """Return the regular file at a path of the commit, through links of the commit."""
        for _ in range(_MOST_LINKS):
            entry = self.entries.get(path)
            if entry is None or entry.mode == _SUBMODULE:
                return None
            if entry.mode != _LINK:
                return entry
            target = open_objects(self._root).read_blobs([entry.hash])[entry.hash]
            path = posixpath.normpath(
                posixpath.join(posixpath.dirname(path), target.decode("utf-8", "surrogateescape"))
            )
        return None

    def _is_equal(self, path: str, sha256: str, entry: GitEntry) -> bool:
        """Whether a file has the committed bytes, or what Git itself makes of them.

        1. The same bytes.
        2. The content of a Git LFS pointer, by the sha256 in it.
        3. Other line ends, ``$Id$`` with the hash of this very file, or UTF-16 (gitattributes(5):
           ``text``, ``ident``, ``working-tree-encoding``). No filter program is asked: a stage
           could have chosen one.
        """
        blob = self._blobs[entry.hash]
        if hashlib.sha256(blob).hexdigest() == sha256:  # 1
            return True
        pointer = _POINTER.fullmatch(blob)
        if pointer is not None:  # 2
            return pointer[1].decode("ascii") == sha256
        try:
            content = read_regular(self._root / path)
        except OSError:
            return False
        if hashlib.sha256(content).hexdigest() != sha256:  # changed since it was read
            return False
        return _normalize(content, entry.hash) == _normalize(blob, entry.hash)  # 3


def _normalize(content: bytes, name: str) -> bytes:
    """Return a text as Git stores it; binary content unchanged."""
    if content[:2] in _BYTE_ORDER:
        with suppress(UnicodeDecodeError):
            content = content.decode("utf-16").encode("utf-8")
    if b"\0" in content:
        return content
    return content.replace(b"$Id: %s $" % name.encode("ascii"), b"$Id$").replace(b"\r\n", b"\n")
