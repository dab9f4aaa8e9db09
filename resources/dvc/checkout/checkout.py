"""The checkout: one working tree with its graph, lock files, cache and digests."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.dvc.cache.content import Content, ContentReader, KnownContent, Walk, plain_walk
from resources.dvc.cache.object_cache import ObjectCache
from resources.dvc.cache.remote import Remote, open_here
from resources.dvc.cache.run_cache import RunCache
from resources.dvc.cache.transfer import OpenTransfer
from resources.dvc.checkout.changed_deps import ChangedDeps
from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.dvc.configuration.source_access import SourceAccess
from resources.dvc.graph.documents import Documents
from resources.dvc.graph.manifest import Manifest, Stage
from resources.dvc.lock.lock_file import LockEntry, LockFile
from resources.errors import ResourceError
from resources.stores.digest_store import DigestStore
from resources.stores.seal import Seal

if TYPE_CHECKING:
    from resources.dvc.dvc_fallback import DvcFallback


class Checkout:
    """A working tree at its DVC root.

    Args:
        root: the DVC root, absolute.
        state: the directory of caches, which may be deleted at any time.
        manifest: the graph of the working tree.
        seal: seals stored digests.
        remotes: the settings of remotes of the protected branch; None if the checkout's count.
        open_transfer: opens remotes; None opens them in this process.
        sources: opens addresses for which another process has the credentials.

    Attributes:
        commit: the commit of a commit view; None for a working tree.
    """

    def __init__(
        self,
        root: Path,
        state: Path,
        manifest: Manifest,
        seal: Seal | None = None,
        remotes: RemoteSettings | None = None,
        open_transfer: OpenTransfer | None = None,
        sources: SourceAccess | None = None,
    ) -> None:
        self.root = root
        self.remotes = remotes
        self.state = state
        self.manifest = manifest
        self.commit: str | None = None
        self.store = DigestStore(state / "digests.sqlite", seal)
        self.documents = Documents(state / "documents")
        self.cache = ObjectCache(Path(manifest.layout.cache_dir), self.store)
        self.runs = RunCache(Path(manifest.layout.cache_dir))
        self._open_transfer = open_transfer or open_here(root, remotes)
        self._sources = sources
        self._remotes: dict[str | None, Remote] = {}
        self.changed_deps = ChangedDeps(state / "changed-deps.json")
        self._guard = threading.Lock()
        self._fallback: DvcFallback | None = None
        self._locks: dict[str, LockFile] = {}

    @cached_property
    def reader(self) -> ContentReader:
        """The reader of content, which lists directories as DVC does."""
        return ContentReader(self.store, self._walk())

    @property
    def fallback(self) -> DvcFallback:
        """DVC's own code on this checkout; the first access imports dvc."""
        with self._guard:
            if self._fallback is None:
                from resources.dvc.dvc_fallback import DvcFallback

                self._fallback = DvcFallback(self.root, self.remotes, self.store, self._sources)
            return self._fallback

    def open_remote(self, name: str | None = None) -> Remote:
        """Open a remote, for data that is not in the cache.

        Args:
            name: None opens the default remote.
        """
        with self._guard:
            if name not in self._remotes:
                self._remotes[name] = Remote(self.cache, self._open_transfer(name))
            return self._remotes[name]

    def fetch(self, location: str, md5: str, remote: str | None = None) -> None:
        """Fetch the object of a location into the cache, if it is not there.

        Args:
            remote: as for ``open_remote``.

        Raises:
            ResourceError: as ``Remote.fetch``, with the location.
        """
        if self.cache.holds(md5):
            return
        try:
            self.open_remote(remote).fetch([md5])
        except ResourceError as error:
            raise type(error)(f"{location}: {error.message}", error.hint) from error

    def _walk(self) -> Walk:
        if not self.manifest.layout.ignores:
            return partial(plain_walk, root=os.fspath(self.root))
        guard = threading.Lock()

        def walk(top: str) -> Iterator[tuple[str, list[str]]]:
            from resources.dvc.dvc_ignore import ignored_walk

            with guard:
                listing = list(ignored_walk(self.root, top))
            yield from listing

        return walk

    def path(self, location: str) -> str:
        """Return the absolute path of a location of the manifest."""
        return os.path.normpath(os.path.join(self.root, location))

    def read(self, location: str) -> Content | None:
        """Read the content of a location; None if it does not exist."""
        return self.reader.read(self.path(location))

    def identify(self, location: str) -> KnownContent | None:
        """Return the content of a location, read or recorded; None if unknown."""
        return self.read(location)

    def is_unlisted(self, location: str) -> bool:
        """Whether a location is in an absent directory without a known listing."""
        return False

    def keeps(self, known: KnownContent) -> bool:
        """Whether DVC can find the content of an out in its cache."""
        return self.cache.holds(known.md5)

    def find_absent(self, stage: Stage) -> frozenset[str]:
        """Return the absolute paths of unchanged outs and deps that are not in the checkout."""
        return frozenset()

    def supply(self, *locations: str) -> None:
        """Place the recorded content of locations; a plain checkout has nothing to place."""

    def parse(self, location: str) -> Any:
        """Parse a parameters file.

        Raises:
            FileNotFoundError: the file does not exist.
            ConfigurationError: the file cannot be parsed.
        """
        return self.documents.parse(self.root / location)

    def lock(self, path: str) -> LockFile:
        """Return a lock file of this checkout, loaded once.

        Raises:
            ConfigurationError: the file is not a lock file that DVC 3 reads.
        """
        if path not in self._locks:
            self._locks[path] = LockFile(self.root / path, self.documents)
        return self._locks[path]

    def forget_locks(self) -> None:
        """Reload lock files at their next use."""
        self._locks.clear()

    def recorded(self, stage: Stage) -> LockEntry | None:
        """Return the entry of a stage in ``dvc.lock``; None if it never ran."""
        return self.lock(stage.lock_path).entries.get(stage.key)
