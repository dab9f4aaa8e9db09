"""The remote: fetches and pushes objects of DVC's cache.

A remote is not trusted:

1. Fetch only objects that the cache does not have.
2. Fetch listings of directories first. Verify each against its name, and accept only files below
   the directory, before fetching these files.
3. An object gets its place in the cache when its bytes match its name (``RemoteStorage``).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from resources.dvc.cache.object_cache import ObjectCache
from resources.dvc.cache.transfer import CORRUPT, OpenTransfer, Shortfall, Transfer, unavailable
from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.errors import CorruptObjectError, ResourceError, UnavailableError

_NAMED = 5  # missing objects to name in a message

#: Names of objects in messages, by md5; empty if only the md5 is known.
_Names = Mapping[str, str]


def open_here(root: Path, remotes: RemoteSettings | None) -> OpenTransfer:
    """Return how to open remotes in this process, with its own credentials.

    Args:
        root: the DVC root of a working tree, absolute.
        remotes: the settings of remotes of the protected branch; None if the checkout's count.
    """

    def open_transfer(name: str | None) -> Transfer:
        from resources.dvc.cache.remote_storage import RemoteStorage  # imports dvc
        from resources.dvc.configuration.repository import Repository

        return RemoteStorage(lambda: Repository(root, remotes), name)

    return open_transfer


class Remote:
    """A remote and the cache. Safe for threads.

    Args:
        cache: of a working tree.
        transfer: of the remote.
    """

    def __init__(self, cache: ObjectCache, transfer: Transfer) -> None:
        self._cache = cache
        self._transfer = transfer
        self._guard = threading.Lock()

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
            self._bring(dict.fromkeys(wanted, ""))  # 2
            self._bring(self._contained(wanted))

    def fetch_listing(self, md5: str) -> None:
        """Fetch the listing of a directory into the cache, without its files.

        Raises:
            ResourceError: as ``fetch``.
        """
        with self._guard:
            self._bring({md5: ""})

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
        with self._guard:
            self._send(contained)
            self._send(dict.fromkeys(wanted, ""))

    def _contained(self, md5s: Iterable[str]) -> dict[str, str]:
        """Return the paths of all files in the directory objects, by md5."""
        return {
            file: path
            for md5 in md5s
            if md5.endswith(".dir")
            for path, file in self._cache.listing(md5)
        }

    def _bring(self, names: _Names) -> None:
        missing = [md5 for md5 in names if not self._has(md5)]
        failed = self._transfer.fetch(missing) if missing else {}
        corrupted = [md5 for md5 in missing if failed.get(md5, "") == CORRUPT]
        others = {md5: reason for md5, reason in failed.items() if md5 not in corrupted}
        if others:
            raise _shortfall("cannot fetch from the remote", others, names)
        unsound = [md5 for md5 in missing if md5 not in failed and not self._is_sound(md5)]
        for md5 in unsound:
            Path(self._cache.path(md5)).unlink(missing_ok=True)
        corrupted += unsound
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

    def _send(self, names: _Names) -> None:
        failed = self._transfer.push(list(names)) if names else {}
        if failed:
            raise _shortfall("cannot push to the remote", failed, names)


def _shortfall(what: str, failed: Shortfall, names: _Names) -> ResourceError:
    """Return the error for failed transfers, with the reason of the first."""
    absent = [md5 for md5, reason in failed.items() if reason is None]
    if len(absent) == len(failed):
        return UnavailableError(
            f"{what}: missing objects: {_list(absent, names)}",
            "push from a checkout with the data: dvc push; or check the address: dvc remote list",
        )
    others = [md5 for md5 in failed if md5 not in absent]
    return unavailable(f"{what}: {_list(others, names)}", str(failed[others[0]]))


def _list(md5s: list[str], names: _Names) -> str:
    named = [f"{names[md5]} ({md5})" if names[md5] else md5 for md5 in sorted(md5s)[:_NAMED]]
    more = len(md5s) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
