"""The database of advisories: an SQLite index, read whole and never written.

Steps of opening, each against what it stops:

1. The file is read once, into memory: what is checked is what is used, and no journal that somebody
   laid beside it is ever replayed.
2. The tables are exactly those of this schema version: no view or trigger stands in for one.
3. The seal matches: no row is damaged, lost or cut off.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from security.advisories.advisory import Advisory, parse_advisory
from security.advisories.database_schema import (
    SCHEMA_VERSION,
    SEAL,
    TABLES,
    StoredRecord,
    compute_seal,
    unpack_document,
)
from security.advisories.errors import DatabaseError, MalformedAdvisoryError
from security.advisories.version import split_ecosystem

LARGEST_FILE = 4 << 30
LARGEST_DOCUMENT = 64 << 20
_HINT = "build it anew: ml-assets advisories update"


@dataclass(frozen=True, slots=True)
class UnreadableAdvisory:
    """A record that could not be parsed when the index was built; it stands for "unknown".

    Attributes:
        id: its identifier, or its place in the source where it has none.
    """

    id: str
    fault: str

    @property
    def aliases(self) -> tuple[str, ...]:
        """Return none: nothing of it could be read."""
        return ()


Entry: TypeAlias = Advisory | UnreadableAdvisory


@dataclass(frozen=True, slots=True)
class EcosystemStatus:
    """What the database knows of one ecosystem, such as ``Debian:12``.

    Attributes:
        newest: when the record changed last was changed. The age counts from there and not from the
            download: an old archive does not get younger by being indexed today.
    """

    name: str
    count: int
    newest: datetime

    def age(self, at: datetime) -> timedelta:
        """Return how old it is at a time; never less than nothing."""
        return max(at - self.newest, timedelta(0))


@dataclass(frozen=True, slots=True)
class AdvisorySource:
    """Where records came from: a path or URL, the sha256 of the bytes, and the server's ETag."""

    address: str
    sha256: str
    etag: str
    records: int


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """What a database is made of.

    Attributes:
        sha256: of its records: the same for the same records wherever it was built.
        built: when it was indexed.
        unreadable: identifiers of records that could not be parsed.
    """

    schema_version: int
    sha256: str
    built: datetime
    advisories: int
    unreadable: tuple[str, ...]
    ecosystems: tuple[EcosystemStatus, ...]
    sources: tuple[AdvisorySource, ...]

    def age(self, ecosystem: str, at: datetime) -> timedelta | None:
        """Return the age of what is known about an ecosystem; None if that is nothing.

        ``Debian`` without a release is as old as its oldest release.
        """
        ages = [one.age(at) for one in self.ecosystems if _covers(one.name, ecosystem)]
        return max(ages, default=None)


class AdvisoryDatabase:
    """Advisories by package. Open it with `load_database`."""

    def __init__(self, connection: sqlite3.Connection, status: DatabaseStatus) -> None:
        self._connection = connection
        self.status = status

    def covers(self, ecosystem: str) -> bool:
        """Say whether it holds any advisory for an ecosystem: if not, it cannot judge a package."""
        return any(_covers(one.name, ecosystem) for one in self.status.ecosystems)

    def find(self, ecosystem: str, name: str) -> list[Entry]:
        """Return the records that name a package, withdrawn ones too, sorted by identifier.

        Raises:
            DatabaseError: one of them is damaged.
        """
        known, _ = split_ecosystem(ecosystem)
        if known is None:
            return []
        rows = self._connection.execute(
            "SELECT id, document, fault FROM affected JOIN advisory USING (id)"
            " WHERE ecosystem = ? AND name = ? ORDER BY id",
            (known.value, known.normalize(name)),
        )
        return [_read_entry(*row) for row in rows]

    def records(self) -> Iterator[StoredRecord]:
        """Yield every record as it is stored, sorted by identifier, to build the next index from.

        Raises:
            DatabaseError: one of them is damaged.
        """
        for identifier, document, fault in self._connection.execute(
            "SELECT id, document, fault FROM advisory ORDER BY id"
        ):
            entry = _read_entry(identifier, document, fault)
            if isinstance(entry, UnreadableAdvisory):
                rows = self._connection.execute(
                    "SELECT ecosystem, name FROM affected WHERE id = ?", (identifier,)
                )
                yield StoredRecord(identifier, frozenset(rows), None, None, fault)
            else:
                packages = frozenset(
                    (one.ecosystem, one.name) for one in entry.affected if one.name
                )
                content = unpack_document(document, LARGEST_DOCUMENT)
                yield StoredRecord(identifier, packages, content, entry.modified)

    def close(self) -> None:
        """Give the memory back."""
        self._connection.close()

    def __enter__(self) -> AdvisoryDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _covers(held: str, wanted: str) -> bool:
    """Say whether one ecosystem is another; releases count only where both name one."""
    held_name, _, held_release = held.partition(":")
    name, _, release = wanted.partition(":")
    return held_name == name and (not held_release or not release or held_release == release)


def _read_entry(identifier: str, document: bytes | None, fault: str | None) -> Entry:
    if document is None:
        return UnreadableAdvisory(identifier, fault or "no reason given")
    try:
        return parse_advisory(json.loads(unpack_document(document, LARGEST_DOCUMENT)), identifier)
    except (ValueError, RecursionError, MalformedAdvisoryError) as error:
        raise DatabaseError(f"damaged record in the database: {identifier}", _HINT) from error


def load_database(path: Path) -> AdvisoryDatabase:
    """Open a database of advisories.

    Raises:
        DatabaseError: it is missing, damaged, not a database, or of another schema version.
    """
    content = _read_file(path)  # 1
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        connection.deserialize(content)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA query_only = ON")
        _verify_tables(connection, path)  # 2
        properties = dict(connection.execute("SELECT key, value FROM property"))
        if properties.get(SEAL) != compute_seal(connection):  # 3
            raise DatabaseError(f"the advisory database is damaged: {path}", _HINT)
        return AdvisoryDatabase(connection, _read_status(connection, properties))
    except (sqlite3.Error, ValueError, KeyError, OverflowError) as error:
        connection.close()
        raise DatabaseError(f"not an advisory database, or a damaged one: {path}", _HINT) from error
    except DatabaseError:
        connection.close()
        raise


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DatabaseError(f"the advisory database is larger than any: {path}", _HINT)
        content = path.read_bytes()
    except FileNotFoundError:
        raise DatabaseError(f"no advisory database: {path}", _HINT) from None
    except OSError as error:
        raise DatabaseError(f"the advisory database cannot be read: {error}", _HINT) from error
    if not content.startswith(b"SQLite format 3\0"):
        raise DatabaseError(f"not an advisory database: {path}", _HINT)
    return content


def _verify_tables(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION:
        raise DatabaseError(
            f"the advisory database has schema {version}, this program reads {SCHEMA_VERSION}:"
            f" {path}",
            _HINT,
        )
    found = {row[0] for row in connection.execute("SELECT sql FROM sqlite_schema")} - {None}
    if found != set(TABLES):
        raise DatabaseError(f"the advisory database has other tables than its own: {path}", _HINT)


def _read_status(connection: sqlite3.Connection, properties: dict[str, str]) -> DatabaseStatus:
    (count,) = connection.execute("SELECT count(*) FROM advisory").fetchone()
    unreadable = connection.execute("SELECT id FROM advisory WHERE document IS NULL ORDER BY id")
    ecosystems = connection.execute("SELECT name, count, newest FROM ecosystem ORDER BY name")
    sources = connection.execute(
        "SELECT address, sha256, etag, records FROM source ORDER BY address"
    )
    return DatabaseStatus(
        schema_version=SCHEMA_VERSION,
        sha256=properties["records_sha256"],
        built=datetime.fromisoformat(properties["built"]).astimezone(UTC),
        advisories=count,
        unreadable=tuple(row[0] for row in unreadable),
        ecosystems=tuple(
            EcosystemStatus(name, held, datetime.fromisoformat(newest).astimezone(UTC))
            for name, held, newest in ecosystems
        ),
        sources=tuple(AdvisorySource(*row) for row in sources),
    )
