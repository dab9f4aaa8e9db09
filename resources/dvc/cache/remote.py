"""The remote: fetches and pushes objects of DVC's cache.

A remote is not trusted:

1. Fetch only objects that the cache does not have.
2. Fetch listings of directories first. Verify each against its name, and accept only files below
   the directory, before fetching these files.
3. Verify the bytes of each object against its name, and remove an object that does not match.

DVC reads the configuration of the remote and transfers the objects.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from dvc.config import ConfigError, NoRemoteError
from dvc.exceptions import DvcException
from dvc.fs import AuthError
from dvc.fs import ConfigError as StorageConfigError
from dvc.fs import RemoteMissingDepsError

from resources.dvc.cache.object_cache import ObjectCache
from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.dvc.configuration.repository import Repository
from resources.dvc.messages import hide_secrets
from resources.errors import (
    ConfigurationError,
    CorruptObjectError,
    MissingInputError,
    ResourceError,
    UnavailableError,
)

_NAMED = 5  # missing objects to name in a message

#: Names of objects in messages, by md5; empty if only the md5 is known.
_Names = Mapping[str, str]
_Failed = dict[str, BaseException]


class _Storage(Protocol):
    """An object database of DVC."""

    fs: Any

    def get(self, oid: str) -> Any:
        """Return the location of an object."""

    def add(self, path: list[str], fs: Any, oid: list[str], **options: Any) -> int:
        """Add objects."""

    def oids_exist(self, oids: list[str]) -> Iterable[str]:
        """Return the objects that exist."""


class Remote:
    """The default remote of a repository. Safe for threads.

    Args:
        root: the DVC root of a working tree, absolute.
        cache: of that working tree.
        remotes: the settings of remotes of the protected branch; None if the checkout's count.
    """

    def __init__(self, root: Path, cache: ObjectCache, remotes: RemoteSettings | None) -> None:
        self._root = root
        self._remotes = remotes
        self._cache = cache
        self._guard = threading.Lock()
        self._repo: Repository | None = None

    def fetch(self, md5s: Iterable[str]) -> None:
        """Fetch objects into the cache: files, and directories with all of their files.

        Raises:
            MissingInputError: there is no remote.
            ConfigurationError: the configuration of the remote is wrong.
            UnavailableError: the remote does not answer, denies access, or misses objects.
            CorruptObjectError: the bytes of an object in the remote do not match its name.
        """
        wanted = list(dict.fromkeys(md5s))
        with self._guard:
            if all(self._cache.holds(md5) for md5 in wanted):  # 1
                return
            with self._open() as remote:
                self._bring(remote, dict.fromkeys(wanted, ""))  # 2
                self._bring(remote, self._contained(wanted))

    def fetch_listing(self, md5: str) -> None:
        """Fetch the listing of a directory into the cache, without its files.

        Raises:
            ResourceError: as ``fetch``.
        """
        with self._guard, self._open() as remote:
            self._bring(remote, {md5: ""})

    def push(self, md5s: Iterable[str]) -> None:
        """Push objects of the cache to the remote, a directory after its files.

        Raises:
            MissingInputError: there is no remote.
            ConfigurationError: the configuration of the remote is wrong.
            UnavailableError: the remote does not answer, denies access, or misses objects after
                the push.
            CorruptObjectError: the bytes of an object in the cache do not match its name.
        """
        wanted = list(dict.fromkeys(md5s))
        for md5 in wanted:
            self._cache.verify_all(md5)
        contained = self._contained(wanted)
        with self._guard, self._open() as remote:
            self._send(remote, contained)
            self._send(remote, dict.fromkeys(wanted, ""))

    def _contained(self, md5s: Iterable[str]) -> dict[str, str]:
        """Return the paths of all files in the directory objects, by md5."""
        return {
            file: path
            for md5 in md5s
            if md5.endswith(".dir")
            for path, file in self._cache.listing(md5)
        }

    def _bring(self, remote: _Storage, names: _Names) -> None:
        missing = [md5 for md5 in names if not self._has(md5)]
        failed = _copy(remote, self._local.cache.local, missing)
        corrupted = [md5 for md5 in missing if not self._is_sound(md5)]
        for md5 in corrupted:
            # DVC also keeps partial objects of a broken connection.
            with suppress(FileNotFoundError):
                os.unlink(self._cache.path(md5))
        if failed:
            raise _shortfall("cannot fetch from the remote", failed, names)
        if corrupted:  # 3
            raise CorruptObjectError(
                f"corrupted objects in the remote: {_list(corrupted, names)}",
                "remove them from the remote, then push from an intact checkout: dvc push",
            )

    def _has(self, md5: str) -> bool:
        """Whether the cache has a valid object, without the files of a directory."""
        try:
            self._cache.verify(md5)
        except (CorruptObjectError, UnavailableError):
            return False
        return True

    def _is_sound(self, md5: str) -> bool:
        """Whether the cache has a valid object or a valid listing."""
        if not md5.endswith(".dir"):
            return self._has(md5)
        try:
            self._cache.listing(md5)
        except (CorruptObjectError, UnavailableError):
            return False
        return True

    def _send(self, remote: _Storage, names: _Names) -> None:
        there = set(remote.oids_exist(list(names)))
        missing = [md5 for md5 in names if md5 not in there]
        failed = _copy(self._local.cache.local, remote, missing)
        there = set(remote.oids_exist(missing))
        absent = FileNotFoundError("missing after the push")
        failed = {**{md5: absent for md5 in missing if md5 not in there}, **failed}
        if failed:
            raise _shortfall("cannot push to the remote", failed, names)

    @property
    def _local(self) -> Repository:
        if self._repo is None:
            self._repo = Repository(self._root, self._remotes)
        return self._repo

    @contextmanager
    def _open(self) -> Iterator[_Storage]:
        try:
            yield self._local.cloud.get_remote_odb()
        except ResourceError:
            raise
        except NoRemoteError as error:
            raise MissingInputError(
                "data missing from checkout and cache, and no default remote is configured",
                "configure a remote: dvc remote add -d NAME URL",
            ) from error
        except RemoteMissingDepsError as error:
            raise ConfigurationError(
                f"no support for this kind of remote: {error.protocol}",
                f"in the environment of ml-assets: pip install 'dvc[{error.protocol}]'",
            ) from error
        except (ConfigError, StorageConfigError) as error:
            raise ConfigurationError(
                f"cannot use the remote: {hide_secrets(str(error))}",
                "check .dvc/config: dvc remote list",
            ) from error
        except (AuthError, DvcException, OSError) as error:
            raise _unavailable("cannot reach the remote", error) from error
        except Exception as error:  # noqa: BLE001  # each kind of storage has errors of its own
            raise _unavailable("cannot reach the remote", error) from error


def _copy(source: _Storage, target: _Storage, md5s: list[str]) -> _Failed:
    """Copy objects; return the errors by md5."""
    failed: _Failed = {}
    if md5s:
        target.add(
            [source.get(md5).path for md5 in md5s],
            source.fs,
            md5s,
            verify=True,
            check_exists=False,
            batch_size=source.fs.jobs,
            on_error=failed.__setitem__,
        )
    return failed


def _shortfall(what: str, failed: _Failed, names: _Names) -> UnavailableError:
    """Return the error for failed transfers, with the reason of the first."""
    absent = [md5 for md5, error in failed.items() if isinstance(error, FileNotFoundError)]
    if len(absent) == len(failed):
        return UnavailableError(
            f"{what}: missing objects: {_list(absent, names)}",
            "push from a checkout with the data: dvc push; or check the address: dvc remote list",
        )
    others = [md5 for md5 in failed if md5 not in absent]
    error = failed[others[0]]
    return _unavailable(f"{what}: {_list(others, names)}", error)


def _unavailable(what: str, error: BaseException) -> UnavailableError:
    reason = hide_secrets(str(error)) or type(error).__name__
    return UnavailableError(
        f"{what}: {reason}", "check address and credentials: dvc remote list; dvc fetch -v"
    )


def _list(md5s: list[str], names: _Names) -> str:
    named = [f"{names[md5]} ({md5})" if names[md5] else md5 for md5 in sorted(md5s)[:_NAMED]]
    more = len(md5s) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
