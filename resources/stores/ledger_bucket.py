"""The ledger bucket: statements at a URL that fsspec supports, such as ``s3://bucket/path``."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from resources.errors import ConfigurationError, UnavailableError

_NAME = re.compile(r"[0-9a-f]{64}")


class LedgerBucket:
    """Statements as objects named by digest: ``ab/cdef….json``.

    Objects are written as a whole. In a local directory an object is written under another name,
    then moved to its place.
    """

    def __init__(self, files: Any, root: str) -> None:
        self._files = files
        self._root = root.rstrip("/")

    def names(self) -> Iterator[str]:
        """Yield the digests of all stored statements, without a cache."""
        self._files.invalidate_cache()
        try:
            found = self._files.find(self._root)
        except FileNotFoundError:
            return
        for path in found:
            folder, file = posixpath.split(path)
            name = posixpath.basename(folder) + file.removesuffix(".json")
            if _NAME.fullmatch(name):
                yield name

    def read(self, name: str) -> bytes:
        """Return the statement with a digest."""
        content: bytes = self._files.cat_file(self._path(name))
        return content

    def add(self, name: str, content: bytes) -> None:
        """Store a statement under its digest; do nothing if it is stored already."""
        path = self._path(name)
        if self._files.exists(path) and self._files.cat_file(path) == content:
            return
        if self._files.protocol in ("file", ("file", "local")):
            self._files.makedirs(posixpath.dirname(path), exist_ok=True)
            part = f"{path}.part"
            self._files.pipe_file(part, content)
            self._files.mv(part, path)
        else:
            self._files.pipe_file(path, content)

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise FileNotFoundError(2, "not the digest of a statement", name[:80])
        return f"{self._root}/{name[:2]}/{name[2:]}.json"


def open_bucket(url: str) -> LedgerBucket:
    """Open the ledger bucket at a URL.

    Raises:
        ConfigurationError: fsspec does not support the URL, or needs another package for it.
        UnavailableError: the bucket cannot be reached.
    """
    from fsspec.core import url_to_fs

    shown = url.split("?", 1)[0]
    try:
        files, root = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"cannot open the ledger: {shown}: {error}",
            "install the fsspec package for this kind of URL, or change signing.ledger",
        ) from error
    except OSError as error:
        raise UnavailableError(
            f"cannot reach the ledger: {shown}: {error}",
            "check the network and signing.ledger, then run again",
        ) from error
    return LedgerBucket(files, root)
