"""A checkout: one working tree with everything that judging and running its stages needs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.dvc.cache.content import Content, ContentReader, KnownContent, Walk
from resources.dvc.cache.object_cache import ObjectCache
from resources.dvc.cache.run_cache import RunCache
from resources.dvc.graph.documents import Documents
from resources.dvc.graph.manifest import Manifest, Stage
from resources.dvc.lock.lock_file import LockEntry, LockFile
from resources.stores.digest_store import DigestStore

if TYPE_CHECKING:
    from resources.dvc.dvc_fallback import DvcFallback


class Checkout:
    """A working tree at its DVC root.

    Args:
        root: the DVC root, absolute.
        state: where caches that may be deleted at any time are kept.
        manifest: the working tree's graph.
        secret: seals the digests that are remembered.

    Attributes:
        commit: the commit that it is, where it is one and not a working tree.
    """

    def __init__(
        self, root: Path, state: Path, manifest: Manifest, secret: bytes | None = None
    ) -> None:
        self.root = root
        self.state = state
        self.manifest = manifest
        self.commit: str | None = None
        self.store = DigestStore(state / "digests.sqlite", secret)
        self.documents = Documents(state / "documents")
        self.cache = ObjectCache(Path(manifest.layout.cache_dir), self.store)
        self.runs = RunCache(Path(manifest.layout.cache_dir))
        self._guard = threading.Lock()
        self._fallback: DvcFallback | None = None
        self._locks: dict[str, LockFile] = {}

    @cached_property
    def reader(self) -> ContentReader:
        """Reads what paths hold, as DVC would see them."""
        return ContentReader(self.store, self._walk())

    @property
    def fallback(self) -> DvcFallback:
        """DVC's own view of this checkout; asking for it imports dvc."""
        with self._guard:
            if self._fallback is None:
                from resources.dvc.dvc_fallback import DvcFallback

                self._fallback = DvcFallback(self.root)
            return self._fallback

    def _walk(self) -> Walk | None:
        if not self.manifest.layout.ignores:
            return None
        guard = threading.Lock()

        def walk(top: str) -> Iterator[tuple[str, list[str]]]:
            from resources.dvc.dvc_fallback import ignored_walk

            with guard:
                listing = list(ignored_walk(self.root, top))
            yield from listing

        return walk

    def path(self, location: str) -> str:
        """Return the absolute path of a location of the manifest."""
        return os.path.normpath(os.path.join(self.root, location))

    def read(self, location: str) -> Content | None:
        """Read what a location holds; None when nothing is there."""
        return self.reader.read(self.path(location))

    def identify(self, location: str) -> KnownContent | None:
        """Say what a location holds, also where that is only known from what was recorded."""
        return self.read(location)

    def keeps(self, known: KnownContent) -> bool:
        """Whether DVC would find where it keeps it what an out holds."""
        return self.cache.holds(known.md5)

    def find_absent(self, stage: Stage) -> frozenset[str]:
        """Return absolute paths of what a stage writes and reads that is not here but unchanged."""
        return frozenset()

    def supply(self, *locations: str) -> None:
        """Put what locations are recorded to hold there, where that can be done."""

    def parse(self, location: str) -> Any:
        """Parse a parameters file.

        Raises:
            FileNotFoundError: there is none.
            ConfigurationError: it cannot be parsed.
        """
        return self.documents.parse(self.root / location)

    def lock(self, path: str) -> LockFile:
        """Return a lock file of this checkout, loaded once.

        Raises:
            ConfigurationError: it is not a lock file that DVC 3 reads.
        """
        if path not in self._locks:
            self._locks[path] = LockFile(self.root / path, self.documents)
        return self._locks[path]

    def forget_locks(self) -> None:
        """Read the lock files anew the next time they are asked for."""
        self._locks.clear()

    def recorded(self, stage: Stage) -> LockEntry | None:
        """Return what ``dvc.lock`` records of a stage; None when it never ran."""
        return self.lock(stage.lock_path).entries.get(stage.key)
