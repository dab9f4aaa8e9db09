"""The sparse checkout: a working tree without the outs that no stage or gate reads.

An absent out counts with its recorded content, so a stage stays fresh without its data, as with
``dvc repro --allow-missing``. Data that a stage or gate reads is placed on demand, from the cache
or else from the remote. Without fetching, as with ``--allow-missing``, the cache alone counts.

1. Only outs in DVC's cache may be absent. Git has all other outs, and their absence is a change.
2. Only bytes are evidence: ``read`` returns only content that is in the checkout.
3. An out is placed as a whole or not at all.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from functools import cached_property
from hashlib import md5
from pathlib import Path

from resources.dvc.cache.content import Content, KnownContent, RecordedContent, listing_bytes
from resources.dvc.cache.placement import Placement
from resources.dvc.cache.recorded_tree import find_fields, find_inside, parse_fields
from resources.dvc.cache.transfer import OpenTransfer
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.dvc.configuration.source_access import SourceAccess
from resources.dvc.graph.manifest import Manifest, Out, Stage
from resources.errors import MissingInputError, UnavailableError
from resources.stores.seal import Seal


class SparseCheckout(Checkout):
    """A working tree with absent outs. Safe for threads.

    Args:
        fetches: fetch data from the remote; otherwise a stage or gate that reads data that is
            not in the cache fails.
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
        *,
        fetches: bool = True,
    ) -> None:
        super().__init__(root, state, manifest, seal, remotes, open_transfer, sources)
        self._fetches = fetches
        self._placement = Placement(root, self.cache)
        self._supplying: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._unlisted: set[str] = set()

    def identify(self, location: str) -> KnownContent | None:
        """Return the content of a location, as it is or as it will be with absent outs placed."""
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

    def is_unlisted(self, location: str) -> bool:
        """Whether a location is in an absent directory without a known listing.

        A checkout that fetches gets the listing from the remote.
        """
        out = self.manifest.inside.get(location)
        if self._fetches or out is None or self._find_absent(out) is None:
            return False
        return self._list(out) is None

    def keeps(self, known: KnownContent) -> bool:
        """Whether DVC can find the content of an out; absent content counts as found."""
        return isinstance(known, RecordedContent) or super().keeps(known)

    def find_absent(self, stage: Stage) -> frozenset[str]:
        """Return the absolute paths of unchanged outs and deps that are not in the checkout."""
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
        """Place the absent outs that equal, contain or lie below the locations.

        Raises:
            ResourceError: an out is in neither cache nor remote, or cannot be placed.
        """
        outs = (out for location in locations for out in self._outs_at(location))
        for out in dict.fromkeys(outs):
            with self._guard:
                lock = self._supplying[out]
            with lock:
                recorded = self._find_absent(out)
                if recorded is not None:
                    self._supply_out(out, recorded)

    def fetch(self, location: str, md5: str, remote: str | None = None) -> None:
        """Fetch the object of a location into the cache, if it is not there.

        Raises:
            MissingInputError: the object is not in the cache, and this checkout does not fetch.
            ResourceError: as ``Checkout.fetch``.
        """
        if not self._fetches and not self.cache.holds(md5):
            raise MissingInputError(
                f"neither in the working tree nor in the cache: {location}",
                "fetch it: ml-assets run --pull, without --allow-missing",
            )
        super().fetch(location, md5, remote)

    def withdraw(self) -> None:
        """Remove links to the cache, before the working tree is removed.

        This keeps the stored digests of cache objects valid. Otherwise the next worktree would read
        all of these objects again.
        """
        for location in self.manifest.producer:
            recorded = self._find_record(location) if "://" not in location else None
            if recorded is not None and self.cache.holds(recorded.md5):
                self._placement.withdraw(recorded.md5, self.path(location))
        self.store.save()

    def _supply_out(self, location: str, recorded: RecordedContent) -> None:
        self.fetch(location, recorded.md5)
        linked = not self._out(location).persist
        self._placement.place(recorded, self.path(location), linked=linked)

    def _out(self, location: str) -> Out:
        stage = self.manifest.producer[location]
        return next(out for out in stage.outs if out.location == location)

    def _find_absent(self, location: str) -> RecordedContent | None:
        """Return the recorded content of an absent out; None for an existing out."""
        return None if os.path.lexists(self.path(location)) else self._find_record(location)

    def _find_record(self, location: str) -> RecordedContent | None:
        if not self._out(location).cache:  # 1
            return None
        stage = self.manifest.producer[location]
        entry = None if stage.is_source else self.recorded(stage)
        fields = find_fields(stage, entry, location)
        # DVC 2 stored its data under other names.
        return parse_fields(fields) if fields.get("hash") == "md5" else None

    @cached_property
    def _needed(self) -> dict[str, tuple[str, ...]]:
        """The outs that equal, contain or lie below each dep."""
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
        """Return md5 by path for the files of an absent directory; fetch its listing if needed.

        Returns:
            None if the listing is unavailable.
        """
        recorded = self._find_absent(out)
        if recorded is None or not recorded.md5.endswith(".dir") or out in self._unlisted:
            return None
        try:
            if self._fetches and not os.path.exists(self.cache.path(recorded.md5)):
                self.open_remote().fetch_listing(recorded.md5)
            return dict(self.cache.listing(recorded.md5))
        except (UnavailableError, MissingInputError):
            self._unlisted.add(out)
            return None

    def _find_around(self, absent: list[str], location: str) -> KnownContent | None:
        """Return the content of a directory that contains absent outs."""
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
