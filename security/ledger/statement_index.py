"""The statement index: statements by the digests that they name, without reading the ledger.

It is derived from the ledger and may be deleted at any time. It is not trusted: every statement
that it finds is loaded from the ledger and verified. ``refresh`` adds new statements and drops
missing ones, except those of the types to remember: a deleted decision revives no older one.

A changed row could still hide a statement, such as an unfavourable decision. So each row has a
seal of the user, and ``copy_sealed`` returns an index in memory that is complete: with the sealed
rows, and with all other statements read from the ledger again.

Digests are those of ``security.statements.statement.identify``.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from security.errors import SecurityError
from security.ledger.index_row import IndexRow, build_row
from security.ledger.ledger import Ledger, LedgerError
from security.statements.statement import Statement

#: Returns the seal of each message.
Seal = Callable[[Sequence[bytes]], list[bytes]]

_SCHEMA = 3
_TABLES = (
    """CREATE TABLE statements (
        id INTEGER PRIMARY KEY, digest TEXT UNIQUE, payload TEXT, predicate_type TEXT, time TEXT,
        seal BLOB, missing INTEGER DEFAULT 0
    )""",
    """CREATE TABLE subjects (digest TEXT, statement INTEGER, PRIMARY KEY (digest, statement))
    WITHOUT ROWID""",
    """CREATE TABLE materials (digest TEXT, statement INTEGER, PRIMARY KEY (digest, statement))
    WITHOUT ROWID""",
    "CREATE INDEX payloads ON statements (payload)",
    f"PRAGMA user_version = {_SCHEMA}",
)
_PATIENCE = 30.0  # seconds to wait for another process
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)  # primary result codes
_PRESENT = "SELECT digest FROM statements WHERE NOT missing"


class StatementIndex:
    """Finds the statements of a ledger by subject and material.

    Args:
        file: the database; None for one in memory.
        on_damage: receives a message for each unreadable statement.
        seal: seals the rows of a file; None for rows that no ``copy_sealed`` believes.
        remember: the types of statements whose rows stay when they are missing from the ledger.

    Attributes:
        damaged: the statements that the last ``refresh`` could not read, by digest.
    """

    def __init__(
        self,
        ledger: Ledger,
        file: Path | None = None,
        on_damage: Callable[[str], None] = lambda _: None,
        seal: Seal | None = None,
        remember: Collection[str] = (),
    ) -> None:
        self._ledger = ledger
        self._on_damage = on_damage
        self._seal = seal
        self._remember = frozenset(remember)
        self._database = _open(file)
        self.damaged: frozenset[str] = frozenset()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def refresh(self) -> int:
        """Add new statements of the ledger, drop missing ones; return the number added.

        Raises:
            LedgerError: the ledger cannot be listed, or another process keeps the index busy.
        """
        there = set(self._ledger.digests())
        known = {row[0] for row in self._database.execute("SELECT digest FROM statements")}
        with _explain_busy(), self._database:
            self._database.execute("UPDATE statements SET missing = 0 WHERE missing")
            for digest in known - there:
                self._miss(digest)
            self.damaged = frozenset(one for one in there - known if not self._take(one))
        return len(there - known)

    def copy_sealed(self) -> StatementIndex:
        """Return a complete index in memory, which no change of this one's file has influenced."""
        copy = StatementIndex(self._ledger, None, self._on_damage, remember=self._remember)
        if self._seal is not None:
            with suppress(sqlite3.Error), copy._database:  # a damaged file: read the ledger again
                rows = self._read_rows()
                seals = self._seal([row.message for row, _ in rows])
                for (row, mark), seal in zip(rows, seals, strict=True):
                    if isinstance(mark, bytes) and hmac.compare_digest(mark, seal):
                        copy._insert_row(row)
        copy.refresh()
        return copy

    def add(self, digest: str, statement: Statement) -> None:
        """Add a statement that was just added to the ledger.

        Raises:
            LedgerError: another process keeps the index busy.
        """
        with _explain_busy(), self._database:
            self._insert(digest, statement)

    def about(self, digest: str, predicate_type: str | None = None) -> list[str]:
        """Return the statements with a digest among their subjects, oldest first."""
        return self._find("subjects", digest, predicate_type)

    def missing_about(self, digest: str, predicate_type: str) -> list[tuple[str, str | None]]:
        """Return the remembered statements about a digest that the ledger has lost, with times."""
        return self._query("subjects", digest, predicate_type, missing=True)

    def made_from(self, digest: str, predicate_type: str | None = None) -> list[str]:
        """Return the statements with a digest among their materials."""
        return self._find("materials", digest, predicate_type)

    def of_type(self, predicate_type: str) -> list[str]:
        """Return all statements of a type, oldest first."""
        query = f"{_PRESENT} AND predicate_type = ? ORDER BY id"
        return [row[0] for row in self._database.execute(query, (predicate_type,))]

    def newest(self) -> Iterator[str]:
        """Yield the statements with a time, by the time that they state, newest first."""
        query = f"{_PRESENT} AND time IS NOT NULL ORDER BY time DESC"
        return (row[0] for row in self._database.execute(query))

    def having(self, payload: bytes) -> str | None:
        """Return a statement with exactly this payload, or None."""
        query = f"{_PRESENT} AND payload = ? ORDER BY id LIMIT 1"
        sha256 = hashlib.sha256(payload).hexdigest()
        row = self._database.execute(query, (sha256,)).fetchone()
        return row[0] if row is not None else None

    def starting_with(self, prefix: str) -> list[str]:
        """Return up to ten digests of subjects or materials whose digits have a prefix."""
        found: set[str] = set()
        for start in (prefix, f"dirHash:{prefix}"):
            query = (
                "SELECT digest FROM subjects WHERE digest >= ?1 AND digest < ?2"
                " UNION SELECT digest FROM materials WHERE digest >= ?1 AND digest < ?2 LIMIT 10"
            )
            found |= {row[0] for row in self._database.execute(query, (start, start + "g"))}
        return sorted(found)[:10]

    def _find(self, table: str, digest: str, predicate_type: str | None) -> list[str]:
        return [name for name, _ in self._query(table, digest, predicate_type, missing=False)]

    def _query(
        self, table: str, digest: str, predicate_type: str | None, *, missing: bool
    ) -> list[tuple[str, str | None]]:
        query = (
            f"SELECT s.digest, s.time FROM {table} t"  # nosec B608
            " JOIN statements s ON s.id = t.statement WHERE t.digest = ?1 AND s.missing = ?3"
            " AND (?2 IS NULL OR s.predicate_type = ?2) ORDER BY s.id"
        )
        return list(self._database.execute(query, (digest, predicate_type, int(missing))))

    def _take(self, digest: str) -> bool:
        """Add a statement of the ledger; return False if it is unreadable."""
        try:
            self._insert(digest, self._ledger.load(digest).statement)
        except SecurityError as error:
            self._on_damage(error.message)
            return False
        return True

    def _insert(self, digest: str, statement: Statement) -> None:
        self._insert_row(build_row(digest, statement))

    def _insert_row(self, row: IndexRow) -> None:
        seal = self._seal([row.message])[0] if self._seal is not None else None
        done = self._database.execute(
            "INSERT OR IGNORE INTO statements (digest, payload, predicate_type, time, seal)"
            " VALUES (?,?,?,?,?)",
            (row.digest, row.payload, row.predicate_type, row.time, seal),
        )
        if not done.rowcount:
            query = "UPDATE statements SET missing = 0 WHERE digest = ?"
            self._database.execute(query, (row.digest,))
            return
        for table, digests in (("subjects", row.subjects), ("materials", row.materials)):
            self._database.executemany(
                f"INSERT OR IGNORE INTO {table} VALUES (?, ?)",  # nosec B608
                [(one, done.lastrowid) for one in digests],
            )

    def _read_rows(self) -> list[tuple[IndexRow, Any]]:
        """Read all rows with their seals, oldest first."""
        named: dict[str, dict[int, list[str]]] = {"subjects": {}, "materials": {}}
        for table, by_statement in named.items():
            query = f"SELECT digest, statement FROM {table} ORDER BY digest"  # nosec B608
            for digest, number in self._database.execute(query):
                by_statement.setdefault(number, []).append(digest)
        query = "SELECT digest, payload, predicate_type, time, id, seal FROM statements ORDER BY id"
        return [
            (IndexRow(*fields, *(tuple(one.get(number, ())) for one in named.values())), seal)
            for *fields, number, seal in self._database.execute(query)
        ]

    def _miss(self, digest: str) -> None:
        """Mark a missing statement of a type to remember, and drop any other."""
        query = "SELECT id, predicate_type FROM statements WHERE digest = ?"
        number, predicate_type = self._database.execute(query, (digest,)).fetchone()
        if predicate_type in self._remember:
            self._database.execute("UPDATE statements SET missing = 1 WHERE id = ?", (number,))
            return
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


def _open(file: Path | None) -> sqlite3.Connection:
    """Open a database of this schema; an unusable one is created again, but no busy one."""
    if file is None:
        return _make(":memory:")
    try:
        with _explain_busy():
            return _make(str(file))
    except sqlite3.Error:
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        return _make(str(file))


@contextmanager
def _explain_busy() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BUSY:
            raise
        raise LedgerError(
            f"another process kept the index of statements busy for {_PATIENCE:.0f} s",
            "wait until other ml-assets commands have ended, then run the command again",
        ) from error


def _make(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(name, timeout=_PATIENCE, check_same_thread=False)
    try:
        if _read_version(database) == 0:
            if name != ":memory:":
                database.execute("PRAGMA journal_mode = WAL")
            _create(database)
        if _read_version(database) != _SCHEMA:
            raise sqlite3.DatabaseError("of another version")
        database.execute("PRAGMA synchronous = OFF")
        for table in ("statements", "subjects", "materials"):
            database.execute(f"SELECT 1 FROM {table} LIMIT 1")  # nosec B608
        return database
    except BaseException:
        database.close()
        raise


def _create(database: sqlite3.Connection) -> None:
    """Create all tables or none: this process can be killed, and another one do the same."""
    with database:
        database.execute("BEGIN IMMEDIATE")
        for statement in _TABLES if _read_version(database) == 0 else ():
            database.execute(statement)


def _read_version(database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)
