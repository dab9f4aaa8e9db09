"""The files of a run's commit, to compare with the bytes that its stages read.

Git's own answer comes from its index and from times of files, which a stage can set
(``assume-unchanged``, ``skip-worktree``, ``core.trustctime``). Here the bytes decide.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from resources.files import read_regular
from resources.git.commit_tree import CommitTree
from resources.git.object_format import GitEntry

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
        self._tree = CommitTree(root, commit) if commit is not None else None
        self._blobs: dict[str, bytes] = {}

    def has(self, path: str) -> bool:
        """Whether the commit has a file or link at a path, or may have one in a submodule.

        A file in a submodule whose commit is not here cannot be compared, and counts as changed.
        """
        tree = self._tree
        return tree is not None and (path in tree.entries or tree.is_unknown(path))

    def find_differing(self, read: Mapping[str, str]) -> list[str]:
        """Return the files whose bytes are not those of the commit.

        Args:
            read: the sha256 of the bytes that were read, by path relative to the root.

        Raises:
            UnavailableError: an object of Git is missing or corrupt.
        """
        found = {path: self._tree.resolve(path) if self._tree else None for path in read}
        wanted = {one.hash for one in found.values() if one is not None} - self._blobs.keys()
        if wanted and self._tree is not None:
            self._blobs |= self._tree.read_blobs(wanted)
        return [
            path
            for path, entry in found.items()
            if entry is None or not self._is_equal(path, read[path], entry)
        ]

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
