"""The statement index: statements by the digests that they name, without reading the ledger.

It is derived from the ledger and may be deleted at any time. It is not trusted: every statement
that it finds is loaded from the ledger and verified. ``refresh`` adds new statements and drops
missing ones.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from security.errors import SecurityError
from security.ledger.ledger import Ledger
from security.statements.statement import STRONG, Statement

_SCHEMA = 1
_TABLES = f"""
PRAGMA user_version = {_SCHEMA};
CREATE TABLE statements (
    id INTEGER PRIMARY KEY, digest TEXT UNIQUE, payload TEXT, predicate_type TEXT
);
CREATE TABLE subjects (digest TEXT, statement INTEGER, PRIMARY KEY (digest, statement))
    WITHOUT ROWID;
CREATE TABLE materials (digest TEXT, statement INTEGER, PRIMARY KEY (digest, statement))
    WITHOUT ROWID;
CREATE INDEX payloads ON statements (payload);
"""


class StatementIndex:
    """Finds the statements of a ledger by subject and material.

    Args:
        file: the database; None for one in memory.
        on_damage: receives a message for each unreadable statement.
    """

    def __init__(
        self,
        ledger: Ledger,
        file: Path | None = None,
        on_damage: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._ledger = ledger
        self._on_damage = on_damage
        self._database = _open(file)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def refresh(self) -> int:
        """Add new statements of the ledger, drop missing ones; return the number added.

        Raises:
            LedgerError: the ledger cannot be listed.
        """
        there = set(self._ledger.digests())
        known = {row[0] for row in self._database.execute("SELECT digest FROM statements")}
        with self._database:
            for digest in known - there:
                self._drop(digest)
            for digest in there - known:
                self._take(digest)
        return len(there - known)

    def add(self, digest: str, statement: Statement) -> None:
        """Add a statement that was just added to the ledger."""
        with self._database:
            self._insert(digest, statement)

    def about(self, digest: str, predicate_type: str | None = None) -> list[str]:
        """Return the statements with a digest among their subjects, oldest first."""
        return self._find("subjects", digest, predicate_type)

    def made_from(self, digest: str, predicate_type: str | None = None) -> list[str]:
        """Return the statements with a digest among their materials."""
        return self._find("materials", digest, predicate_type)

    def of_type(self, predicate_type: str) -> list[str]:
        """Return all statements of a type, oldest first."""
        query = "SELECT digest FROM statements WHERE predicate_type = ? ORDER BY id"
        return [row[0] for row in self._database.execute(query, (predicate_type,))]

    def having(self, payload: bytes) -> str | None:
        """Return a statement with exactly this payload, or None."""
        query = "SELECT digest FROM statements WHERE payload = ? ORDER BY id LIMIT 1"
        sha256 = hashlib.sha256(payload).hexdigest()
        row = self._database.execute(query, (sha256,)).fetchone()
        return row[0] if row is not None else None

    def starting_with(self, prefix: str) -> list[str]:
        """Return up to ten digests of subjects or materials with a prefix."""
        query = (
            "SELECT digest FROM subjects WHERE digest >= ?1 AND digest < ?2"
            " UNION SELECT digest FROM materials WHERE digest >= ?1 AND digest < ?2 LIMIT 10"
        )
        return [row[0] for row in self._database.execute(query, (prefix, prefix + "g"))]

    def _find(self, table: str, digest: str, predicate_type: str | None) -> list[str]:
        query = (
            f"SELECT s.digest FROM {table} t JOIN statements s ON s.id = t.statement"  # nosec B608
            " WHERE t.digest = ?1 AND (?2 IS NULL OR s.predicate_type = ?2) ORDER BY s.id"
        )
        return [row[0] for row in self._database.execute(query, (digest, predicate_type))]

    def _take(self, digest: str) -> None:
        try:
            self._insert(digest, self._ledger.load(digest).statement)
        except SecurityError as error:
            self._on_damage(error.message)

    def _insert(self, digest: str, statement: Statement) -> None:
        payload = hashlib.sha256(statement.payload).hexdigest()
        row = self._database.execute(
            "INSERT OR IGNORE INTO statements (digest, payload, predicate_type) VALUES (?,?,?)",
            (digest, payload, statement.predicate_type),
        )
        if not row.rowcount:
            return
        for table, digests in (("subjects", _subjects(statement)), ("materials", used(statement))):
            self._database.executemany(
                f"INSERT OR IGNORE INTO {table} VALUES (?, ?)",  # nosec B608
                [(one, row.lastrowid) for one in digests],
            )

    def _drop(self, digest: str) -> None:
        query = "SELECT id FROM statements WHERE digest = ?"
        (number,) = self._database.execute(query, (digest,)).fetchone()
        for table in ("subjects", "materials"):
            self._database.execute(
                f"DELETE FROM {table} WHERE statement = ?", (number,)  # nosec B608
            )
        self._database.execute("DELETE FROM statements WHERE id = ?", (number,))


@contextmanager
def open_index(
    ledger: Ledger, file: Path | None, on_damage: Callable[[str], None] = lambda _: None
) -> Iterator[StatementIndex]:
    """Open an index and refresh it."""
    index = StatementIndex(ledger, file, on_damage)
    try:
        index.refresh()
        yield index
    finally:
        index.close()


def used(statement: Statement) -> Iterable[str]:
    """Return the digests of a statement's resolved dependencies.

    Malformed dependencies are left out here, and refused when the statement is parsed.
    """
    found: set[str] = set()
    definition = statement.predicate.get("buildDefinition")
    listed: Any = definition.get("resolvedDependencies") if isinstance(definition, dict) else None
    for one in listed if isinstance(listed, list) else ():
        digests = one.get("digest") if isinstance(one, dict) else None
        found |= set(_strong(digests)) if isinstance(digests, dict) else set()
    return found


def _subjects(statement: Statement) -> set[str]:
    return {digest for subject in statement.subjects for digest in _strong(subject.digest)}


def _strong(digests: Any) -> Iterator[str]:
    return (d for name, d in digests.items() if name in STRONG and isinstance(d, str))


def _open(file: Path | None) -> sqlite3.Connection:
    """Open a database of this schema; an unusable one is created again."""
    if file is None:
        return _make(":memory:")
    try:
        return _make(str(file))
    except sqlite3.Error:
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        return _make(str(file))


def _make(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(name, timeout=30, check_same_thread=False)
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            if name != ":memory:":
                database.execute("PRAGMA journal_mode = WAL")
            with database:
                database.executescript(_TABLES)
        elif version != _SCHEMA:
            raise sqlite3.DatabaseError("of another version")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("SELECT 1 FROM statements LIMIT 1")
        return database
    except BaseException:
        database.close()
        raise
