"""The files of a source outside of the checkout, read by a process that has the credentials.

DVC reads them through fsspec like any storage. They are read-only.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK, Callback

from resources.dvc.configuration.source_access import SourceReader
from resources.errors import UnavailableError

_PART = 1 << 23  # bytes of one request


class SourceFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """A file system of one source."""

    cachable = False

    def __init__(self, reader: SourceReader) -> None:
        super().__init__()
        self._reader = reader

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Describe a file or directory.

        Raises:
            FileNotFoundError: it does not exist.
        """
        found = self._reader.info(path)
        if found is None:
            raise FileNotFoundError(path)
        return dict(found)

    def exists(self, path: str, **_: Any) -> bool:
        """Whether a path exists; a refusal is an error."""
        return self._reader.info(path) is not None

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a directory."""
        found = self._reader.list(path)
        return [dict(one) if detail else one["name"] for one in found]

    def find(self, path: str, *args: Any, prefix: str = "", **options: Any) -> Any:
        """List all files below a directory, with a prefix of their path below it."""
        found = super().find(path, *args, **options)
        start = f"{path.rstrip('/')}/{prefix}" if prefix else ""
        kept = [one for one in found if one.startswith(start)]
        return {one: found[one] for one in kept} if isinstance(found, dict) else kept

    def get_file(
        self, rpath: str, lpath: str, callback: Callback = DEFAULT_CALLBACK, **_: Any
    ) -> None:
        """Copy a file to a local path.

        Raises:
            UnavailableError: it changed while it was read.
        """
        with open(lpath, "wb") as file:
            self._copy(rpath, file, callback)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> BinaryIO:
        file = tempfile.TemporaryFile()
        self._copy(path, file, DEFAULT_CALLBACK)
        file.seek(0)
        return file

    def _copy(self, path: str, file: Any, callback: Callback) -> None:
        before = self.info(path)
        callback.set_size(before["size"])
        for start in range(0, before["size"], _PART):
            part = self._reader.read(path, start, min(start + _PART, before["size"]))
            file.write(part)
            callback.relative_update(len(part))
        if self.info(path) != before or file.seek(0, os.SEEK_END) != before["size"]:
            raise UnavailableError(f"changed while it was read: {path}", "run the command again")
