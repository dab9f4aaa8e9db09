"""The advisory database: an SQLite index, read as a whole and never written.

Opening has these steps, each with the attack or defect that it stops:

1. The file is read once, into memory: the checked bytes are the used ones, and SQLite never replays
   a journal that an attacker placed beside the file.
2. The tables are exactly those of this schema version: no view or trigger replaces one.
3. The seal matches: no row is damaged, lost or truncated.
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
_HINT = "rebuild it: ml-assets advisories update"


@dataclass(frozen=True, slots=True)
class UnreadableAdvisory:
    """A record that could not be parsed when the index was built; it matches as "unknown".

    Attributes:
        id: identifier of the record, or without one its place in the source.
        fault: why it could not be parsed.
    """

    id: str
    fault: str

    @property
    def aliases(self) -> tuple[str, ...]:
        """No aliases: the record could not be parsed."""
        return ()


Entry: TypeAlias = Advisory | UnreadableAdvisory


@dataclass(frozen=True, slots=True)
class EcosystemStatus:
    """The state of one ecosystem in the database, such as ``Debian:12``.

    Attributes:
        newest: time of the newest modification of a record. The age starts there and not at the
            download: indexing an old archive today does not make it younger.
    """

    name: str
    count: int
    newest: datetime

    def age(self, at: datetime) -> timedelta:
        """Return the age at a time; never negative."""
        return max(at - self.newest, timedelta(0))


@dataclass(frozen=True, slots=True)
class AdvisorySource:
    """The origin of records: a path or URL, the sha256 of its bytes, and the server's ETag."""

    address: str
    sha256: str
    etag: str
    records: int


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """The summary of a database.

    Attributes:
        sha256: sha256 of the records: equal for equal records on every computer.
        built: time of the build.
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
        """Return the age of the records of an ecosystem; None without records.

        ``Debian`` without a release has the age of its oldest release.
        """
        ages = [one.age(at) for one in self.ecosystems if _covers(one.name, ecosystem)]
        return max(ages, default=None)


class AdvisoryDatabase:
    """Advisories by package. Open it with `load_database`."""

    def __init__(self, connection: sqlite3.Connection, status: DatabaseStatus) -> None:
        self._connection = connection
        self.status = status

    def covers(self, ecosystem: str) -> bool:
        """Say whether the database has advisories for an ecosystem."""
        return any(_covers(one.name, ecosystem) for one in self.status.ecosystems)

    def find(self, ecosystem: str, name: str) -> list[Entry]:
        """Return the records about a package, also withdrawn ones, sorted by identifier.

        Raises:
            DatabaseError: a record is damaged.
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

    def knows(self, identifier: str) -> bool:
        """Say whether a record has an identifier, or names it as an alias; case is ignored.

        Raises:
            DatabaseError: a record is damaged.
        """
        wanted = identifier.upper()
        rows = self._connection.execute("SELECT id, document, fault FROM advisory ORDER BY id")
        for name, document, fault in rows:
            if name.upper() == wanted:
                return True
            if document is None or wanted.encode() not in _unpack(name, document).upper():
                continue
            if wanted in map(str.upper, _read_entry(name, document, fault).aliases):
                return True
        return False

    def records(self) -> Iterator[StoredRecord]:
        """Yield every stored record, sorted by identifier, as input for the next index.

        Raises:
            DatabaseError: a record is damaged.
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
        """Close the connection and free its memory."""
        self._connection.close()

    def __enter__(self) -> AdvisoryDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _covers(held: str, wanted: str) -> bool:
    """Say whether two ecosystems are equal; releases count only if both name one."""
    held_name, _, held_release = held.partition(":")
    name, _, release = wanted.partition(":")
    return held_name == name and (not held_release or not release or held_release == release)


def _unpack(identifier: str, document: bytes) -> bytes:
    try:
        return unpack_document(document, LARGEST_DOCUMENT)
    except ValueError as error:
        raise _damaged(identifier) from error


def _damaged(identifier: str) -> DatabaseError:
    return DatabaseError(f"damaged record in the advisory database: {identifier}", _HINT)


def _read_entry(identifier: str, document: bytes | None, fault: str | None) -> Entry:
    if document is None:
        return UnreadableAdvisory(identifier, fault or "no reason given")
    try:
        return parse_advisory(json.loads(unpack_document(document, LARGEST_DOCUMENT)), identifier)
    except (ValueError, RecursionError, MalformedAdvisoryError) as error:
        raise _damaged(identifier) from error


def load_database(path: Path) -> AdvisoryDatabase:
    """Open an advisory database.

    Raises:
        DatabaseError: the file is missing, damaged, not a database, or of another schema version.
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
            raise DatabaseError(f"advisory database damaged: {path}", _HINT)
        return AdvisoryDatabase(connection, _read_status(connection, properties))
    except (sqlite3.Error, ValueError, KeyError, OverflowError) as error:
        connection.close()
        raise DatabaseError(f"advisory database invalid or damaged: {path}", _HINT) from error
    except DatabaseError:
        connection.close()
        raise


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DatabaseError(f"advisory database larger than the limit: {path}", _HINT)
        content = path.read_bytes()
    except FileNotFoundError:
        raise DatabaseError(f"no advisory database: {path}", _HINT) from None
    except OSError as error:
        raise DatabaseError(f"cannot read the advisory database: {error}", _HINT) from error
    if not content.startswith(b"SQLite format 3\0"):
        raise DatabaseError(f"not an advisory database: {path}", _HINT)
    return content


def _verify_tables(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION:
        raise DatabaseError(
            f"advisory database has schema {version}, expected {SCHEMA_VERSION}: {path}",
            _HINT,
        )
    found = {row[0] for row in connection.execute("SELECT sql FROM sqlite_schema")} - {None}
    if found != set(TABLES):
        raise DatabaseError(f"advisory database has unexpected tables: {path}", _HINT)


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
