"""The digest store: a cache of digests of files that have not changed since they were read.

It may be deleted at any time. A row is used only while the inode, size, modification time and
status-change time of its file are unchanged. With seals, a row also needs a valid seal: gates
trust these digests, and a stage can write to the store.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from resources.stores.seal import Seal
from security.content.digest import Digests, digest_file

_ATTEMPTS = 50  # to write while another process holds the database
_PAUSE = 0.02  # seconds between two attempts

_TABLE = """
CREATE TABLE IF NOT EXISTS digests (
    path TEXT PRIMARY KEY, inode INTEGER, size INTEGER, modified INTEGER, changed INTEGER,
    md5 TEXT, sha256 TEXT, seal TEXT
) WITHOUT ROWID
"""

_Stamp = tuple[int, int, int, int]


def stamp(status: os.stat_result) -> _Stamp:
    """Return the values that identify an unchanged file (times in nanoseconds)."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class DigestStore:
    """Digests each state of a file once. Safe for threads.

    Args:
        seal: seals the rows; None trusts every row.
    """

    def __init__(self, file: Path, seal: Seal | None = None) -> None:
        self._file = file
        self._seal = seal
        self._lock = threading.Lock()
        self._rows: dict[str, tuple[_Stamp, Digests]] = {}
        self._fresh: dict[str, tuple[_Stamp, Digests]] = {}
        self._load()

    def digest(self, path: str, status: os.stat_result | None = None) -> Digests:
        """Return the digests of a file, from the store if the file has not changed.

        Raises:
            OSError: the file cannot be read.
        """
        seen = stamp(status or os.stat(path))
        row = self._rows.get(path)
        if row is not None and row[0] == seen:
            return row[1]
        digests = digest_file(path)
        # Store the digests only if the file did not change while it was read.
        if stamp(os.stat(path)) == seen:
            self._remember(path, seen, digests)
        return digests

    def remember(self, path: str, digests: Digests) -> None:
        """Store digests that this program computed while it wrote the file."""
        self._remember(path, stamp(os.stat(path)), digests)

    def recall(self, path: str) -> Digests | None:
        """Return the stored digests of a file; None if it changed since."""
        row = self._rows.get(path)
        return row[1] if row is not None and row[0] == stamp(os.stat(path)) else None

    def renew(self, path: str, digests: Digests) -> bool:
        """Keep the digests of a file to which this program just added or removed a hard link.

        A link changes only the status-change time.

        Returns:
            False if the file differs in more than that, so its digests are not kept.
        """
        row = self._rows.get(path)
        seen = stamp(os.stat(path))
        if row is not None and row[0][:3] == seen[:3] and row[1] == digests:
            self._remember(path, seen, digests)
            return True
        return False

    def _remember(self, path: str, seen: _Stamp, digests: Digests) -> None:
        with self._lock:
            self._rows[path] = self._fresh[path] = (seen, digests)

    def save(self) -> None:
        """Write new digests to the database; ignore a database that cannot be written.

        SQLite's text is UTF-8: files with other names are digested each time.
        """
        with self._lock:
            fresh = {path: row for path, row in self._fresh.items() if _is_text(path)}
            self._fresh = {}
        if not fresh:
            return
        rows = [
            (path, *seen, d.md5, d.sha256, seal)
            for (path, (seen, d)), seal in zip(fresh.items(), self._seals(fresh), strict=True)
        ]
        for _ in range(_ATTEMPTS):
            try:
                self._write(rows)
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (
                    sqlite3.SQLITE_BUSY,
                    sqlite3.SQLITE_LOCKED,
                ):
                    break
                time.sleep(_PAUSE)  # another process creates it: SQLite does not wait for that
            except (sqlite3.Error, OSError):
                break
        else:
            return  # another process writes; the stored rows are valid
        self._forget()

    def _write(self, rows: Sequence[tuple[str | int, ...]]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._file, timeout=10)
        try:
            with database:
                database.execute("PRAGMA journal_mode=WAL")
                database.execute("PRAGMA synchronous=OFF")
                database.execute(_TABLE)
                database.executemany("REPLACE INTO digests VALUES (?,?,?,?,?,?,?,?)", rows)
        finally:
            database.close()

    def _load(self) -> None:
        if not self._file.exists():
            return
        try:
            with sqlite3.connect(self._file, timeout=10) as database:
                rows = database.execute(
                    "SELECT path, inode, size, modified, changed, md5, sha256, seal FROM digests"
                ).fetchall()
            database.close()
            found = {
                path: ((inode, size, modified, changed), Digests(md5, sha256, size))
                for path, inode, size, modified, changed, md5, sha256, _ in rows
            }
            for row, seal in zip(rows, self._seals(found), strict=True):
                if hmac.compare_digest(row[-1], seal):
                    self._rows[row[0]] = found[row[0]]
        except (sqlite3.Error, TypeError):
            self._rows.clear()
            self._forget()

    def _seals(self, rows: Mapping[str, tuple[_Stamp, Digests]]) -> list[str]:
        if self._seal is None:
            return [""] * len(rows)
        texts = [
            f"{seen} {digests.md5} {digests.sha256} {digests.size} {path}"
            for path, (seen, digests) in rows.items()
        ]
        messages = [hashlib.sha256(os.fsencode(text)).digest() for text in texts]
        return [seal[:16].hex() for seal in self._seal("digests", messages)]

    def _forget(self) -> None:
        """Delete a database that SQLite cannot use: every digest can be computed again."""
        for suffix in ("", "-wal", "-shm"):
            try:
                self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
            except OSError:
                return  # without a usable database, digests are computed each time


def _is_text(path: str) -> bool:
    """Return whether a path is UTF-8."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def forget_missing(file: Path, below: Path) -> None:
    """Delete the digests of missing files below a directory; skip a database in use.

    Args:
        file: the database of the store.
    """
    if not file.exists():
        return
    above = f"{below}{os.sep}"
    with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=1)) as database, database:
        rows = database.execute(
            "SELECT path FROM digests WHERE substr(path, 1, ?) = ?", (len(above), above)
        ).fetchall()
        gone = [row for row in rows if not os.path.lexists(row[0])]
        database.executemany("DELETE FROM digests WHERE path = ?", gone)
