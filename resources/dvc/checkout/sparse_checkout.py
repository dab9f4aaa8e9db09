"""A sparse checkout: a working tree in which outs may be absent that DVC keeps elsewhere.

What is recorded of an out counts as what it holds while nothing lies in its place, so that a stage
stays fresh without its data, as with ``dvc repro --allow-missing``. What a stage or a gate has to
read is put there when it is needed: from the cache, else from the remote.

1. Only outs that DVC caches count so: all others are Git's, and their absence is a change.
2. Nothing but the bytes themselves makes evidence: ``read`` knows only what lies there.
3. An out is placed as a whole, or not at all.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from functools import cached_property
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING

from resources.dvc.cache.content import Content, KnownContent, RecordedContent, listing_bytes
from resources.dvc.cache.placement import Placement
from resources.dvc.cache.recorded_tree import find_fields, find_inside, parse_fields
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Manifest, Out, Stage
from resources.errors import MissingInputError, ResourceError, UnavailableError

if TYPE_CHECKING:
    from resources.dvc.cache.remote import Remote


class SparseCheckout(Checkout):
    """A working tree whose data may be elsewhere. Safe for threads."""

    def __init__(
        self, root: Path, state: Path, manifest: Manifest, secret: bytes | None = None
    ) -> None:
        super().__init__(root, state, manifest, secret)
        self._placement = Placement(root, self.cache)
        self._supplying: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._unlisted: set[str] = set()

    @cached_property
    def remote(self) -> Remote:
        """Where data comes from that the cache does not hold; asking for it imports dvc."""
        from resources.dvc.cache.remote import Remote

        return Remote(self.root, self.cache)

    def identify(self, location: str) -> KnownContent | None:
        """Say what a location holds, or holds once the outs that it needs are supplied."""
        if "://" in location:
            return None
        outs = self._outs_at(location)
        absent = [out for out in outs if self._find_absent(out) is not None]
        if not absent:
            return self.read(location)
        if location in outs:
            return self._find_absent(location)
        if location in self.manifest.inside:
            return self._find_inside(absent[0], location)
        return self._find_around(absent, location)

    def keeps(self, known: KnownContent) -> bool:
        """Whether DVC would find what an out holds; what is absent is wherever it is kept."""
        return isinstance(known, RecordedContent) or super().keeps(known)

    def find_absent(self, stage: Stage) -> frozenset[str]:
        """Return absolute paths of what a stage writes and reads that is not here but unchanged."""
        entry = (None if stage.is_source else self.recorded(stage)) or {}
        read = {dep["path"]: dep.get("md5") for dep in entry.get("deps", ())}
        absent = [out.location for out in stage.outs if self._is_absent(out.location)]
        for dep in stage.deps:
            known = self.identify(dep.location)
            if isinstance(known, RecordedContent) and known.md5 == read.get(dep.path):
                absent.append(dep.location)
        return frozenset(map(self.path, absent))

    def _is_absent(self, location: str) -> bool:
        return isinstance(self.identify(location), RecordedContent)

    def supply(self, *locations: str) -> None:
        """Put every absent out there that one of some locations is, lies in, or contains.

        Raises:
            ResourceError: one is neither in the cache nor in the remote, or cannot be placed.
        """
        outs = (out for location in locations for out in self._outs_at(location))
        for out in dict.fromkeys(outs):
            with self._guard:
                lock = self._supplying[out]
            with lock:
                recorded = self._find_absent(out)
                if recorded is not None:
                    self._supply_out(out, recorded)

    def withdraw(self) -> None:
        """Take links to the cache away again, for a working tree that is given up.

        What remains is for whoever removes the tree. The cache's objects stay known to all who
        share its digests: without this the next one to be supplied reads them all again.
        """
        for location in self.manifest.producer:
            recorded = self._find_record(location) if "://" not in location else None
            if recorded is not None and self.cache.holds(recorded.md5):
                self._placement.withdraw(recorded.md5, self.path(location))
        self.store.save()

    def _supply_out(self, location: str, recorded: RecordedContent) -> None:
        self._fetch(location, recorded.md5)
        linked = not self._out(location).persist
        self._placement.place(recorded, self.path(location), linked=linked)

    def _fetch(self, location: str, digest: str) -> None:
        if self.cache.holds(digest):
            return
        try:
            self.remote.fetch([digest])
        except ResourceError as error:
            raise type(error)(f"{location}: {error.message}", error.hint) from error

    def _out(self, location: str) -> Out:
        stage = self.manifest.producer[location]
        return next(out for out in stage.outs if out.location == location)

    def _find_absent(self, location: str) -> RecordedContent | None:
        """Return what is recorded of an out in whose place nothing lies; else None."""
        return None if os.path.lexists(self.path(location)) else self._find_record(location)

    def _find_record(self, location: str) -> RecordedContent | None:
        if not self._out(location).cache:  # 1
            return None
        stage = self.manifest.producer[location]
        entry = None if stage.is_source else self.recorded(stage)
        fields = find_fields(stage, entry, location)
        # DVC 2 kept its data under other names.
        return parse_fields(fields) if fields.get("hash") == "md5" else None

    @cached_property
    def _needed(self) -> dict[str, tuple[str, ...]]:
        """The outs that each dep is, lies in, or contains."""
        return {dep.location: dep.producers for stage in self.manifest.stages for dep in stage.deps}

    def _outs_at(self, location: str) -> tuple[str, ...]:
        if location in self.manifest.producer:
            return (location,)
        known = self._needed.get(location, ())
        return tuple(out for out in known if "://" not in out)

    def _find_inside(self, out: str, location: str) -> RecordedContent | None:
        listing = self._list(out)
        if listing is None:
            return None
        return find_inside(self.cache, listing, location.removeprefix(f"{out}/"))

    def _list(self, out: str) -> dict[str, str] | None:
        """Return md5 by path of the files of an absent directory; its listing may be fetched.

        Returns:
            None where the listing is not to be had, so that nothing is known of what it lists.
        """
        recorded = self._find_absent(out)
        if recorded is None or not recorded.md5.endswith(".dir") or out in self._unlisted:
            return None
        try:
            if not os.path.exists(self.cache.path(recorded.md5)):
                self.remote.fetch_listing(recorded.md5)
            return dict(self.cache.listing(recorded.md5))
        except (UnavailableError, MissingInputError):
            self._unlisted.add(out)
            return None

    def _find_around(self, absent: list[str], location: str) -> KnownContent | None:
        """Return what a directory holds in which some outs are absent."""
        here = self.read(location)
        entries = here.entries if isinstance(here, Content) and here.entries else ()
        files = {entry.path: entry.md5 for entry in entries}
        size = here.size if here is not None else 0
        for out in absent:
            recorded = self._find_absent(out)
            if recorded is None:
                return self.read(location)
            inner = out.removeprefix(f"{location}/")
            if not recorded.md5.endswith(".dir"):
                files[inner] = recorded.md5
            else:
                listing = self._list(out)
                if listing is None:
                    return here
                files.update({f"{inner}/{path}": digest for path, digest in listing.items()})
            size += recorded.size
        ordered = sorted(files.items())
        identity = md5(listing_bytes(ordered), usedforsecurity=False).hexdigest()
        return RecordedContent(f"{identity}.dir", size, len(ordered))
