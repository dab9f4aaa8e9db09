"""The ledger's bucket: statements at a URL that fsspec knows, such as ``s3://bucket/path``."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from resources.errors import ConfigurationError, UnavailableError

_NAME = re.compile(r"[0-9a-f]{64}")


class LedgerBucket:
    """Statements as objects: ``ab/cdef….json``.

    An object appears whole or not at all. Where a directory lies behind the URL, it is written
    beside its place and moved there.
    """

    def __init__(self, files: Any, root: str) -> None:
        self._files = files
        self._root = root.rstrip("/")

    def names(self) -> Iterator[str]:
        """Yield the digests of all that lies there, as it is there now."""
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
        """Return what lies under a digest."""
        content: bytes = self._files.cat_file(self._path(name))
        return content

    def add(self, name: str, content: bytes) -> None:
        """Put something under its digest; what lies there already is the same."""
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
    """Open what lies at a URL.

    Raises:
        ConfigurationError: fsspec knows no such URL, or lacks what it takes.
        UnavailableError: it cannot be reached.
    """
    from fsspec.core import url_to_fs

    shown = url.split("?", 1)[0]
    try:
        files, root = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"no way to the ledger: {shown}: {error}",
            "install what fsspec needs for it, or set another signing.ledger",
        ) from error
    except OSError as error:
        raise UnavailableError(
            f"the ledger cannot be reached: {shown}: {error}", "try again"
        ) from error
    return LedgerBucket(files, root)
