"""The index: builds the sealed SQLite database of advisories from records."""

from __future__ import annotations

import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from resources.advisory_feed.archive import RawRecord
from resources.advisory_feed.record_text import parse_record_text
from resources.errors import wrap_os_error
from resources.files import write_atomically
from security.advisories.advisory import (
    Advisory,
    is_of_known_ecosystem,
    name_packages,
    parse_advisory,
)
from security.advisories.database import AdvisorySource
from security.advisories.database_schema import (
    SCHEMA_VERSION,
    SEAL,
    TABLES,
    StoredRecord,
    compute_seal,
    digest_records,
    pack_document,
    reduce_document,
)
from security.advisories.errors import MalformedAdvisoryError
from security.advisories.version import split_ecosystem

# The clock of a publisher may be slightly ahead. A record from further in the future would make the
# database look fresh forever, so it does not count for the age.
_CLOCK_SKEW = timedelta(days=1)


@dataclass(slots=True)
class Records:
    """The records of one source, by identifier.

    Attributes:
        elsewhere: number of records without a package of a known ecosystem, which are left out.
        lost: errors of records whose packages cannot be read.
    """

    by_id: dict[str, StoredRecord] = field(default_factory=dict)
    elsewhere: int = 0
    lost: list[MalformedAdvisoryError] = field(default_factory=list)

    def add(self, record: StoredRecord) -> None:
        """Add a record; of two records with one identifier keep the one modified last.

        An unreadable record counts as the oldest.
        """
        other = self.by_id.get(record.id)
        if other is None or _precedence(record) >= _precedence(other):
            self.by_id[record.id] = record


def _precedence(record: StoredRecord) -> datetime:
    return record.modified or datetime.min.replace(tzinfo=UTC)


def collect_records(raw: Iterable[RawRecord]) -> Records:
    """Parse records; keep a malformed record with its packages, to report them as unknown."""
    records = Records()
    for one in raw:
        document: object = None
        try:
            document = parse_record_text(one.content, one.where)
            advisory = parse_advisory(document, one.where)
        except MalformedAdvisoryError as error:
            _keep_unreadable(records, document, error)
            continue
        _keep(records, document, advisory)
    return records


def _keep(records: Records, document: object, advisory: Advisory) -> None:
    packages = frozenset((one.ecosystem, one.name) for one in advisory.affected if one.name)
    if not is_of_known_ecosystem(packages) or not isinstance(document, Mapping):
        records.elsewhere += 1
        return
    packed = pack_document(reduce_document(document, advisory.summary))
    records.add(StoredRecord(advisory.id, packages, packed, advisory.modified))


def _keep_unreadable(records: Records, document: object, error: MalformedAdvisoryError) -> None:
    packages = name_packages(document)
    if not is_of_known_ecosystem(packages):
        records.lost.append(error)
        return
    given = document.get("id") if isinstance(document, Mapping) else None
    known = isinstance(given, str) and given.isprintable() and 0 < len(given) < 200
    identifier = str(given) if known else _storable(error.where)
    fault = _storable(f"{error.where}: {error.what}"[:500])
    records.add(StoredRecord(identifier, packages, None, None, fault))


def _storable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot represent."""
    return text.encode("utf-8", "replace").decode("utf-8")


def write_index(
    path: Path,
    records: Mapping[str, StoredRecord],
    sources: Iterable[AdvisorySource],
    *,
    now: datetime,
) -> None:
    """Write the index of records as a whole.

    Raises:
        UnavailableError: the file cannot be written; the old file is untouched.
    """
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        for table in TABLES:
            connection.execute(table)
        _fill(connection, [records[key] for key in sorted(records)], now)
        connection.executemany(
            "INSERT INTO source VALUES (?, ?, ?, ?)",
            [(one.address, one.sha256, one.etag, one.records) for one in sources],
        )
        seal = compute_seal(connection)
        connection.execute("INSERT INTO property VALUES (?, ?)", (SEAL, seal))
        connection.commit()
        content = connection.serialize()
    finally:
        connection.close()
    try:
        write_atomically(path, content, durable=True)
    except OSError as error:
        raise wrap_os_error(error) from error


def _fill(connection: sqlite3.Connection, records: list[StoredRecord], now: datetime) -> None:
    connection.executemany(
        "INSERT INTO advisory VALUES (?, ?, ?)",
        (
            (one.id, None if one.document is None else zlib.compress(one.document, 6), one.fault)
            for one in records
        ),
    )
    connection.executemany("INSERT INTO affected VALUES (?, ?, ?)", sorted(set(_affected(records))))
    connection.executemany("INSERT INTO ecosystem VALUES (?, ?, ?)", _ecosystems(records, now))
    properties = {
        "built": now.astimezone(UTC).isoformat(),
        "records_sha256": digest_records((one.id, one.document, one.fault) for one in records),
    }
    connection.executemany("INSERT INTO property VALUES (?, ?)", properties.items())


def _affected(records: Iterable[StoredRecord]) -> Iterator[tuple[str, str, str]]:
    for record in records:
        for ecosystem, name in record.packages:
            known, _ = split_ecosystem(ecosystem)
            if known is not None:
                yield known.value, known.normalize(name), record.id


def _ecosystems(records: Iterable[StoredRecord], now: datetime) -> list[tuple[str, int, str]]:
    """Return for each ecosystem its number of readable records and its latest modification."""
    counts: Counter[str] = Counter()
    newest: dict[str, datetime] = {}
    for record in records:
        for ecosystem in record.ecosystems if record.modified is not None else ():
            counts[ecosystem] += 1
            at = record.modified or now
            if at <= now + _CLOCK_SKEW:
                newest[ecosystem] = max(newest.get(ecosystem, at), at)
    epoch = datetime.fromtimestamp(0, UTC)
    return [(name, counts[name], newest.get(name, epoch).isoformat()) for name in sorted(counts)]
