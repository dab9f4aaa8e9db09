"""The remote: whole objects of DVC's cache, from where a team keeps them and to there.

What comes from it is never believed:

1. Only objects that the cache does not hold are asked for.
2. Listings of directories come first. Each is checked against its name, and may name only files
   below its directory, before any file that it names is asked for.
3. Every object's bytes are checked against its name. One that holds others leaves the cache again.

Who reads the remote's configuration is DVC, and so are those who speak to it.
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
from dvc.repo import Repo

from resources.dvc.cache.object_cache import ObjectCache
from resources.dvc.messages import hide_secrets
from resources.errors import (
    ConfigurationError,
    CorruptObjectError,
    MissingInputError,
    ResourceError,
    UnavailableError,
)

_NAMED = 5  # of many missing objects

#: What objects are called in messages, by their md5; empty where nothing but that is known.
_Names = Mapping[str, str]
_Failed = dict[str, BaseException]


class _Storage(Protocol):
    """What holds objects by their md5, as DVC has it."""

    fs: Any

    def get(self, oid: str) -> Any:
        """Return where an object lies."""

    def add(self, path: list[str], fs: Any, oid: list[str], **options: Any) -> int:
        """Take objects."""

    def oids_exist(self, oids: list[str]) -> Iterable[str]:
        """Say which of some objects are there."""


class Remote:
    """The default remote of a repository. Safe for threads.

    Args:
        root: the DVC root of a working tree, absolute.
        cache: of that working tree.
    """

    def __init__(self, root: Path, cache: ObjectCache) -> None:
        self._root = os.fspath(root)
        self._cache = cache
        self._guard = threading.Lock()
        self._repo: Repo | None = None

    def fetch(self, md5s: Iterable[str]) -> None:
        """Put objects into the cache: files, and directories with all of their files.

        Raises:
            MissingInputError: there is no remote.
            ConfigurationError: the remote cannot be used as it is configured.
            UnavailableError: it does not answer, refuses, or does not have all of them.
            CorruptObjectError: it has other bytes under an object's name.
        """
        wanted = list(dict.fromkeys(md5s))
        with self._guard:
            if all(self._cache.holds(md5) for md5 in wanted):  # 1
                return
            with self._open() as remote:
                self._bring(remote, dict.fromkeys(wanted, ""))  # 2
                self._bring(remote, self._contained(wanted))

    def fetch_listing(self, md5: str) -> None:
        """Put only what a directory's object itself holds into the cache: which files it has.

        Raises:
            ResourceError: as by ``fetch``.
        """
        with self._guard, self._open() as remote:
            self._bring(remote, {md5: ""})

    def push(self, md5s: Iterable[str]) -> None:
        """Put objects of the cache into the remote: directories after all of their files.

        Raises:
            MissingInputError: there is no remote.
            ConfigurationError: the remote cannot be used as it is configured.
            UnavailableError: it does not answer, refuses, or has not got all of them.
            CorruptObjectError: the cache has other bytes under an object's name.
        """
        wanted = list(dict.fromkeys(md5s))
        for md5 in wanted:
            self._cache.verify_all(md5)
        contained = self._contained(wanted)
        with self._guard, self._open() as remote:
            self._send(remote, contained)
            self._send(remote, dict.fromkeys(wanted, ""))

    def _contained(self, md5s: Iterable[str]) -> dict[str, str]:
        """Return the names of the files of those objects that are directories, by their md5."""
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
            # DVC keeps what arrived before the connection broke, too.
            with suppress(FileNotFoundError):
                os.unlink(self._cache.path(md5))
        if failed:
            raise _shortfall("cannot fetch from the remote", failed, names)
        if corrupted:  # 3
            raise CorruptObjectError(
                f"the remote has other bytes than their name says: {_list(corrupted, names)}",
                "look who has changed them there; push them again from where they are right",
            )

    def _has(self, md5: str) -> bool:
        """Whether the cache has one object, whatever that one names."""
        try:
            self._cache.verify(md5)
        except (CorruptObjectError, UnavailableError):
            return False
        return True

    def _is_sound(self, md5: str) -> bool:
        """Whether an object that was asked for is there, and what its name says."""
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
        absent = FileNotFoundError("it is not there afterwards")
        failed = {**{md5: absent for md5 in missing if md5 not in there}, **failed}
        if failed:
            raise _shortfall("cannot push to the remote", failed, names)

    @property
    def _local(self) -> Repo:
        if self._repo is None:
            self._repo = Repo(self._root)
        return self._repo

    @contextmanager
    def _open(self) -> Iterator[_Storage]:
        try:
            yield self._local.cloud.get_remote_odb()
        except ResourceError:
            raise
        except NoRemoteError as error:
            raise MissingInputError(
                "data is neither here nor in the cache, and there is no default remote",
                "dvc remote add -d NAME URL",
            ) from error
        except RemoteMissingDepsError as error:
            raise ConfigurationError(
                f"cannot speak to this kind of remote: {error.protocol}",
                f"pip install 'dvc[{error.protocol}]', into the environment of ml-assets",
            ) from error
        except (ConfigError, StorageConfigError) as error:
            raise ConfigurationError(
                f"cannot use the remote: {hide_secrets(str(error))}",
                "look: dvc remote list, and .dvc/config",
            ) from error
        except (AuthError, DvcException, OSError) as error:
            raise _unavailable("cannot reach the remote", error) from error
        except Exception as error:  # noqa: BLE001  # each kind of storage has errors of its own
            raise _unavailable("cannot reach the remote", error) from error


def _copy(source: _Storage, target: _Storage, md5s: list[str]) -> _Failed:
    """Copy objects; return what went wrong, by md5."""
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
    """Say what was not transferred, and why the first of it was not."""
    absent = [md5 for md5, error in failed.items() if isinstance(error, FileNotFoundError)]
    if len(absent) == len(failed):
        return UnavailableError(
            f"{what}, it is not there: {_list(absent, names)}",
            "push it from where it is: dvc push; or look at the remote's address: dvc remote list",
        )
    others = [md5 for md5 in failed if md5 not in absent]
    error = failed[others[0]]
    return _unavailable(f"{what}: {_list(others, names)}", error)


def _unavailable(what: str, error: BaseException) -> UnavailableError:
    said = hide_secrets(str(error)) or type(error).__name__
    return UnavailableError(
        f"{what}: {said}", "look at its address and credentials: dvc remote list; dvc fetch -v"
    )


def _list(md5s: list[str], names: _Names) -> str:
    named = [f"{names[md5]} ({md5})" if names[md5] else md5 for md5 in sorted(md5s)[:_NAMED]]
    more = len(md5s) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
