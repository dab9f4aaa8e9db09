"""The storage of a source: reads the files at and below one address with DVC's code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from dvc.fs import get_cloud_fs
from dvc.repo import Repo

from resources.dvc.cache.remote_storage import storage_errors
from resources.errors import ConfigurationError

Info = dict[str, Any]


class SourceStorage:
    """The files at and below one address. Not safe for threads.

    Args:
        open_repository: opens a repository of DVC with the remote that the address refers to.
        url: the address.
        settings: of the address (``fs_config``).
    """

    def __init__(
        self, open_repository: Callable[[], Repo], url: str, settings: Mapping[str, Any]
    ) -> None:
        self._open_repository = open_repository
        self._url = url
        self._settings = settings

    def info(self, path: str) -> Info | None:
        """Describe a file or directory; None if it does not exist.

        Raises:
            ResourceError: the storage cannot be read.
        """
        with self._open(path) as files:
            try:
                return _describe(files.info(path))
            except FileNotFoundError:
                return None

    def list(self, path: str) -> list[Info]:
        """Describe the entries of a directory.

        Raises:
            ResourceError: the storage cannot be read.
        """
        with self._open(path) as files:
            return [_describe(one) for one in files.ls(path, detail=True)]

    def read(self, path: str, start: int, end: int) -> bytes:
        """Read bytes of a file.

        Raises:
            ResourceError: the storage cannot be read.
        """
        with self._open(path) as files:
            return bytes(files.cat_file(path, start=start, end=end))

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        config = self._open_repository().config
        kind, options, top = get_cloud_fs(config, **self._settings, url=self._url)
        return kind(**options).fs, top

    @contextmanager
    def _open(self, path: str) -> Iterator[Any]:
        with storage_errors():
            files, top = self._opened
            _require_below(top, path)
            files.invalidate_cache()
            yield files


def _require_below(top: str, path: str) -> None:
    """Refuse a path that leads away from the address."""
    above, asked = (one.partition("?")[0].rstrip("/") for one in (top, path))
    if ".." in asked.split("/") or (above and asked != above and not asked.startswith(f"{above}/")):
        raise ConfigurationError(
            f"not below the address of the source: {path}", "report it as a bug of ml-assets"
        )


def _describe(info: Mapping[str, Any]) -> Info:
    """Return what JSON can hold of a storage's description."""
    return {
        str(name): value
        for name, value in info.items()
        if value is None or isinstance(value, str | int | float)
    }
