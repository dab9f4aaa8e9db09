"""The storage of a remote: transfers objects between it and the cache with DVC's code.

A remote is not trusted: an object gets its place in the cache when its bytes match its name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from dvc.config import ConfigError, NoRemoteError
from dvc.exceptions import DvcException
from dvc.fs import AuthError
from dvc.fs import ConfigError as StorageConfigError
from dvc.fs import RemoteMissingDepsError, localfs
from dvc.repo import Repo
from dvc_data.hashfile.db.local import LocalHashFileDB

from resources.dvc.cache.object_directory import open_objects, place_object, require_plain
from resources.dvc.cache.object_name import require_names
from resources.dvc.cache.transfer import CORRUPT, Shortfall, unavailable
from resources.dvc.messages import hide_secrets
from resources.errors import (
    ConfigurationError,
    MissingInputError,
    ResourceError,
)
from security.sandbox.private_directory import make_private

_LocalDatabase: Any = LocalHashFileDB  # dvc_data ships no types
_BATCH = 128  # objects that are open at the same time


class RemoteStorage:
    """The objects of one remote. Not safe for threads.

    Args:
        open_repository: opens a repository of DVC with the settings of the remote and the cache.
        name: of the remote; None takes the default remote.
    """

    def __init__(self, open_repository: Callable[[], Repo], name: str | None = None) -> None:
        self._open_repository = open_repository
        self._name = name

    def fetch(self, md5s: Collection[str]) -> Shortfall:
        """Fetch objects into the cache, and replace those that it has.

        Returns:
            The objects that were not fetched, also those with other bytes.

        Raises:
            MissingInputError: there is no remote.
            ConfigurationError: the configuration of the remote is wrong.
            UnavailableError: the remote cannot be opened, or the cache cannot be written.
        """
        missing: dict[str, str | None] = {}
        with self._open() as remote:
            require_plain(self._objects)
            self._objects.mkdir(parents=True, exist_ok=True)
            for batch in _split(require_names(md5s)):
                with make_private("part-", self._objects.parent) as directory:
                    missing |= self._fetch(remote, batch, directory)
        return missing

    def _fetch(self, remote: Any, md5s: Sequence[str], directory: Path) -> dict[str, str | None]:
        part = _LocalDatabase(localfs, str(directory), hash_name="md5")
        failed = _copy(remote, part, [remote.get(md5).path for md5 in md5s], md5s)
        for md5 in md5s:
            file = directory / md5[:2] / md5[2:]
            # DVC also keeps partial objects of a broken connection.
            if file.exists() and not place_object(file, self._objects, md5):
                failed.setdefault(md5, CORRUPT)
        return failed

    def push(self, md5s: Collection[str]) -> Shortfall:
        """Push those objects of the cache that the remote does not have.

        Returns:
            The objects that were not pushed.

        Raises:
            MissingInputError: there is no remote.
            ConfigurationError: the configuration of the remote is wrong.
            CorruptObjectError: the bytes of an object in the cache do not match its name.
            UnavailableError: the remote cannot be opened, or the cache cannot be read.
        """
        names = require_names(md5s)
        failed: dict[str, str | None] = {}
        with self._open() as remote:
            there = set(remote.oids_exist(names))
            missing = [md5 for md5 in names if md5 not in there]
            for batch in _split(missing):
                with open_objects(self._objects, batch) as paths:
                    failed |= _copy(self._cache, remote, paths, batch)
            there = set(remote.oids_exist(missing))
        return {**{md5: None for md5 in missing if md5 not in there}, **failed}

    @cached_property
    def _repository(self) -> Repo:
        return self._open_repository()

    @property
    def _cache(self) -> Any:
        return self._repository.cache.local

    @property
    def _objects(self) -> Path:
        return Path(self._cache.path)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        with storage_errors():
            yield self._repository.cloud.get_remote_odb(self._name)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise the errors of a storage as errors of this program.

    Raises:
        MissingInputError: there is no remote.
        ConfigurationError: its configuration is wrong.
        UnavailableError: it cannot be reached.
    """
    try:
        yield
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
        raise unavailable("cannot reach the remote", explain(error)) from error
    except Exception as error:  # noqa: BLE001  # each kind of storage has errors of its own
        raise unavailable("cannot reach the remote", explain(error)) from error


def _split(md5s: Sequence[str]) -> Iterator[Sequence[str]]:
    yield from (md5s[start : start + _BATCH] for start in range(0, len(md5s), _BATCH))


def _copy(
    source: Any, target: Any, paths: Sequence[str], md5s: Sequence[str]
) -> dict[str, str | None]:
    """Copy objects; return the reasons of failures by md5."""
    failed: dict[str, BaseException] = {}
    target.add(
        list(paths),
        source.fs,
        list(md5s),
        verify=target.fs is not localfs,
        check_exists=False,
        batch_size=source.fs.jobs,
        on_error=failed.__setitem__,
    )
    return {
        md5: None if isinstance(error, FileNotFoundError) else explain(error)
        for md5, error in failed.items()
    }


def explain(error: BaseException) -> str:
    """Return the reason of an error of DVC or a storage, without credentials."""
    return hide_secrets(str(error)) or type(error).__name__
