"""The tables of the advisory index, and the seal over their content.

    advisory   one row per record: its reduced document as compressed JSON, or its fault
    affected   the records about a package, by normalized name
    ecosystem  per ecosystem: the number of records, and the time of the newest modification
    source     the origins of the records
    property   schema version, digest of the records, time of the build, and the seal

The seal is the sha256 of every row of every table except its own. It detects damage: a truncated
copy, a changed byte, a lost row. It is not a signature: any program that can write the file can
compute a new seal.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from security.advisories.version import split_ecosystem

SCHEMA_VERSION = 1
SEAL = "seal"
_QUERIES = (
    "SELECT id, document, fault FROM advisory ORDER BY id",
    "SELECT ecosystem, name, id FROM affected ORDER BY ecosystem, name, id",
    "SELECT name, count, newest FROM ecosystem ORDER BY name",
    "SELECT address, sha256, etag, records FROM source ORDER BY address",
    "SELECT key, value FROM property WHERE key <> 'seal' ORDER BY key",
)
TABLES = (
    "CREATE TABLE advisory (id TEXT PRIMARY KEY, document BLOB, fault TEXT) WITHOUT ROWID",
    "CREATE TABLE affected (ecosystem TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL,"
    " PRIMARY KEY (ecosystem, name, id)) WITHOUT ROWID",
    "CREATE TABLE ecosystem (name TEXT PRIMARY KEY, count INTEGER NOT NULL, newest TEXT NOT NULL)"
    " WITHOUT ROWID",
    "CREATE TABLE source (address TEXT PRIMARY KEY, sha256 TEXT NOT NULL, etag TEXT NOT NULL,"
    " records INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE property (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)
# The fields of a record that matching and reports use.
_KEPT = ("id", "schema_version", "modified", "withdrawn", "aliases", "upstream", "severity")
_KEPT_OF_AFFECTED = ("package", "severity", "ranges", "versions")
_KEPT_LABELS = (("database_specific", "severity"), ("ecosystem_specific", "urgency"))


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record in the form of the index.

    Attributes:
        packages: ecosystem, with its release, and name of each package in the record.
        document: the reduced record, uncompressed; None if the record could not be parsed.
        modified: time of the last modification; None if the record could not be parsed.
        fault: why the record could not be parsed.
    """

    id: str
    packages: frozenset[tuple[str, str]]
    document: bytes | None
    modified: datetime | None
    fault: str | None = None

    @property
    def ecosystems(self) -> frozenset[str]:
        """The supported ecosystems of the record, with their releases."""
        names = {ecosystem for ecosystem, _ in self.packages}
        return frozenset(name for name in names if split_ecosystem(name)[0] is not None)


def reduce_document(document: Mapping[str, object], summary: str) -> dict[str, object]:
    """Reduce a record to the fields that matching and reports use; it still parses the same."""
    reduced: dict[str, object] = {key: document[key] for key in _KEPT if document.get(key)}
    reduced["summary"] = summary
    _keep_labels(document, reduced)
    entries = document.get("affected")
    reduced["affected"] = [
        _reduce_entry(entry) for entry in (entries if isinstance(entries, list) else ())
    ]
    return reduced


def _reduce_entry(entry: Mapping[str, object]) -> dict[str, object]:
    reduced = {key: entry[key] for key in _KEPT_OF_AFFECTED if entry.get(key)}
    ranges = entry.get("ranges")
    if isinstance(ranges, list):  # commits are not versions: matching skips them
        reduced["ranges"] = [one for one in ranges if one["type"] != "GIT"]
    _keep_labels(entry, reduced)
    return reduced


def _keep_labels(source: Mapping[str, object], target: dict[str, object]) -> None:
    for place, key in _KEPT_LABELS:
        specific = source.get(place)
        if isinstance(specific, Mapping) and isinstance(specific.get(key), str):
            target[place] = {key: specific[key]}


def pack_document(document: Mapping[str, object]) -> bytes:
    """Return a reduced record as the JSON of the index, uncompressed."""
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def digest_records(records: Iterable[tuple[str, bytes | None, str | None]]) -> str:
    """Return the sha256 of records: the identity of a database, independent of compression.

    Args:
        records: identifier, uncompressed document and fault of each, sorted by identifier.
    """
    digest = hashlib.sha256()
    for identifier, document, fault in records:
        _feed(digest, (identifier, document, fault))
    return digest.hexdigest()


def compute_seal(connection: sqlite3.Connection) -> str:
    """Compute the seal over the content of a database.

    Raises:
        sqlite3.Error: a table is missing or cannot be read.
    """
    digest = hashlib.sha256()
    for query in _QUERIES:
        _feed(digest, (query,))
        for row in connection.execute(query):
            _feed(digest, row)
    return digest.hexdigest()


def _feed(digest: hashlib._Hash, values: Iterable[object]) -> None:
    """Digest a row: each value with its type and length, so that different rows never collide."""
    for value in values:
        kind = type(value).__name__
        content = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        digest.update(f"{kind}:{len(content)}:".encode())
        digest.update(content)


def unpack_document(blob: bytes, limit: int) -> bytes:
    """Decompress a document of the index.

    Raises:
        ValueError: the document is damaged, or longer than the limit.
    """
    decompressor = zlib.decompressobj()
    try:
        text = decompressor.decompress(blob, limit)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if decompressor.unconsumed_tail or not decompressor.eof:
        raise ValueError("longer than the limit, or truncated")
    return text
