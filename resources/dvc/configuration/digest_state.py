"""The digests of files for DVC, from the digest store of this program.

DVC's own state is a database that every process of the user can change, with pickled values.
"""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Iterable, Iterator
from typing import Any

from dvc.fs import LocalFileSystem
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta
from dvc_data.hashfile.state import StateNoop

from resources.stores.digest_store import DigestStore


class DigestState(StateNoop):
    """Digests of local files; each state of a file is read once."""

    def __init__(self, store: DigestStore) -> None:
        self._store = store

    def get(
        self, path: str, fs: Any, info: dict[str, Any] | None = None
    ) -> tuple[Meta, HashInfo] | tuple[None, None]:
        """Return the md5 of a local file; None for anything else."""
        if not isinstance(fs, LocalFileSystem):
            return None, None
        try:
            status = os.stat(path)
            if not modes.S_ISREG(status.st_mode):
                return None, None
            digests = self._store.digest(path, status)
        except OSError:
            return None, None  # DVC reads the file itself, and raises its own error
        meta = Meta.from_info(info or fs.info(path))
        return meta, HashInfo("md5", digests.md5)

    def get_many(
        self, items: Iterable[str], fs: Any, infos: dict[str, dict[str, Any]]
    ) -> Iterator[tuple[str, None, None] | tuple[str, Meta, HashInfo]]:
        """Yield the md5 of local files."""
        for path in items:
            meta, digest = self.get(path, fs, infos.get(path))
            yield (path, meta, digest) if meta and digest else (path, None, None)
