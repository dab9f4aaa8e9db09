"""The advisory store: the database file of a user or machine, and its updates.

An update reads its sources, builds a new database beside the present one, verifies it as a reader
does, and replaces the present one with one rename. A failure leaves the present one unchanged.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from resources.advisory_feed.archive import RawRecord
from resources.advisory_feed.download import Download, Unchanged, fetch
from resources.advisory_feed.errors import UpdateRunningError
from resources.advisory_feed.index import collect_records, write_index
from resources.advisory_feed.limits import FeedLimits
from resources.advisory_feed.source import digest_source, read_source
from resources.advisory_feed.update import Fetched, Mode, merge, verify_no_loss
from resources.errors import ConfigurationError, wrap_os_error
from security.advisories.database import (
    AdvisoryDatabase,
    AdvisorySource,
    DatabaseStatus,
    load_database,
)
from security.advisories.errors import DatabaseError
from security.advisories.snapshot import BUNDLED, Snapshot, read_snapshot

_BUNDLED_PREFIX = "bundled:"


@dataclass(frozen=True, slots=True)
class Update:
    """The sources and options of an update.

    Attributes:
        sources: paths, and http or https addresses of archives or records.
        mode: replace or add to the present records.
        sha256: the required sha256 of a single address; empty if unknown.
        allow_loss: allow an update that shrinks the database or goes back in time.
    """

    sources: Sequence[str]
    mode: Mode = Mode.REPLACE
    sha256: str = ""
    allow_loss: bool = False
    limits: FeedLimits = field(default_factory=FeedLimits)
    download: Download = field(default_factory=lambda: Download(""))


@dataclass(frozen=True, slots=True)
class UpdateSummary:
    """The summary of an update.

    Attributes:
        status: the status of the database after the update.
        changed: False if each server answered "not modified".
        elsewhere: number of records of other ecosystems, which were left out.
    """

    status: DatabaseStatus
    changed: bool
    elsewhere: int = 0


class AdvisoryStore:
    """A directory with the advisory database."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def path(self) -> Path:
        """The database file."""
        return self._directory / "advisories.sqlite"

    def load(self) -> AdvisoryDatabase:
        """Open the database.

        Raises:
            DatabaseError: the database is missing or damaged.
        """
        return load_database(self.path)

    def load_or_index(self, *, now: datetime, snapshot: Snapshot = BUNDLED) -> AdvisoryDatabase:
        """Open the database; on first use build it from the bundled advisories.

        A database of the bundled advisories of another release is replaced. A damaged database is
        not replaced, but reported.

        Raises:
            DatabaseError: the database or the bundled snapshot is damaged.
            ResourceError: the database cannot be written.
        """
        if not self.path.exists():
            self._index(snapshot, now=now, replace=False)
            return self.load()
        database = self.load()
        sources = database.status.sources
        bundled = [one for one in sources if one.address.startswith(_BUNDLED_PREFIX)]
        same = any(one.sha256 == snapshot.sha256 for one in bundled)
        if same or len(bundled) != len(sources):
            return database
        try:
            self.index_snapshot(now=now, snapshot=snapshot)
        except UpdateRunningError:
            return database  # intact, and about to be replaced
        database.close()
        return self.load()

    def index_snapshot(self, *, now: datetime, snapshot: Snapshot = BUNDLED) -> None:
        """Replace the database by one of the bundled advisories.

        Raises:
            DatabaseError: the snapshot is damaged.
            ResourceError: the database cannot be written, or an update is running.
        """
        with self._lock():
            self._index(snapshot, now=now, replace=True)

    def _index(self, snapshot: Snapshot, *, now: datetime, replace: bool) -> None:
        """Build the database from a snapshot; without `replace` keep an existing database.

        So the first use needs no lock: several processes at once build equal databases.
        """
        raw = (
            RawRecord(f"{snapshot.name}.{number}.json", content)
            for number, content in enumerate(read_snapshot(snapshot), start=1)
        )
        records = collect_records(raw)
        source = AdvisorySource(
            _BUNDLED_PREFIX + snapshot.name, snapshot.sha256, "", len(records.by_id)
        )
        merged = merge({}, [Fetched(source, records)], Mode.REPLACE)
        if replace:
            write_index(self.path, merged, [source], now=now)
            return
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._directory, prefix=".index.") as place:
                candidate = Path(place, self.path.name)
                write_index(candidate, merged, [source], now=now)
                with suppress(FileExistsError):
                    os.link(candidate, self.path)
        except OSError as error:
            raise wrap_os_error(error) from error

    def update(self, wanted: Update, *, now: datetime) -> UpdateSummary:
        """Update the database.

        Raises:
            ConfigurationError: a source is not a source of advisories.
            FeedError: a source cannot be fetched or read.
            UpdateRefusedError: the update would lose advisories or go back in time.
            UpdateRunningError: another process updates the database.
        """
        _verify(wanted)
        with self._lock():
            previous = self._load_previous()
            fetched = [self._fetch(one, wanted, previous) for one in wanted.sources]
            new = [one for one in fetched if isinstance(one, Fetched)]
            if previous is not None and len(new) < len(fetched):
                if not new:
                    return UpdateSummary(previous.status, changed=False)
                # Keep the records of unmodified sources.
                wanted_mode = Mode.ADD
            else:
                wanted_mode = wanted.mode
            return self._install(previous, new, wanted_mode, wanted.allow_loss, now)

    def _install(
        self,
        previous: AdvisoryDatabase | None,
        fetched: list[Fetched],
        mode: Mode,
        allow_loss: bool,
        now: datetime,
    ) -> UpdateSummary:
        known = {one.id: one for one in previous.records()} if previous is not None else {}
        merged = merge(known, fetched, mode)
        if previous is not None and not allow_loss:
            verify_no_loss(previous, merged)
        sources = _name_sources(previous, fetched, mode, len(merged))
        candidate = self.path.with_suffix(".next")
        try:
            write_index(candidate, merged, sources, now=now)
            with load_database(candidate) as database:
                status = database.status
            os.replace(candidate, self.path)
        except OSError as error:
            raise wrap_os_error(error) from error
        finally:
            with suppress(OSError):  # the error that stopped the update is more useful
                candidate.unlink(missing_ok=True)
        elsewhere = sum(one.records.elsewhere for one in fetched)
        return UpdateSummary(status, changed=True, elsewhere=elsewhere)

    def _load_previous(self) -> AdvisoryDatabase | None:
        """Open the present database; None if it is missing or damaged, so that it is replaced."""
        try:
            return self.load()
        except DatabaseError:
            return None

    def _fetch(
        self, address: str, wanted: Update, previous: AdvisoryDatabase | None
    ) -> Fetched | Unchanged:
        if "://" not in address:
            path = Path(address)
            records = collect_records(read_source(path, wanted.limits))
            source = AdvisorySource(
                str(path.absolute()), digest_source(path), "", len(records.by_id)
            )
            return Fetched(source, records)
        known = previous.status.sources if previous is not None else ()
        etag = next((one.etag for one in known if one.address == address), "")
        settings = wanted.download
        request = Download(
            url=address,
            sha256=wanted.sha256,
            known_etag=etag,
            attempts=settings.attempts,
            silence=settings.silence,
            deadline=settings.deadline,
            largest=min(settings.largest, wanted.limits.file),
        )
        downloaded = fetch(request, self._directory / "downloads")
        if isinstance(downloaded, Unchanged):
            return downloaded
        try:
            records = collect_records(read_source(downloaded.path, wanted.limits))
        finally:
            downloaded.path.unlink(missing_ok=True)
        source = AdvisorySource(address, downloaded.sha256, downloaded.etag, len(records.by_id))
        return Fetched(source, records)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the lock against other updates; the kernel releases it after a crash."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._directory / "update.lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise wrap_os_error(error) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UpdateRunningError(
                    f"another update is running: {self._directory}",
                    "wait for it to end, then run again: ml-assets advisories update",
                ) from error
            yield
        finally:
            os.close(handle)


def _name_sources(
    previous: AdvisoryDatabase | None, fetched: list[Fetched], mode: Mode, merged: int
) -> list[AdvisorySource]:
    """Return the sources of the new database.

    A previous source loses its ETag if records of it may have been replaced: after "not modified"
    the database would miss these records.
    """
    sources = {one.source.address: one.source for one in fetched}
    own = {key for one in fetched for key in one.records.by_id}
    if previous is not None and (mode is Mode.ADD or merged > len(own)):
        for one in previous.status.sources:
            kept = one if mode is Mode.ADD else replace(one, etag="")
            sources.setdefault(one.address, kept)
    return list(sources.values())


def _verify(wanted: Update) -> None:
    if not wanted.sources:
        raise ConfigurationError(
            "no source of advisories",
            "name a source: ml-assets advisories update --from PATH_OR_URL",
        )
    if wanted.sha256 and (len(wanted.sources) != 1 or not urlsplit(wanted.sources[0]).netloc):
        raise ConfigurationError(
            "a sha256 needs exactly one address", "update from one address at a time"
        )
