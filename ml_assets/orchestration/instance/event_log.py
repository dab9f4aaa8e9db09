"""The event log: Dagster's SQLite event storage at a lower cost per event.

For each event Dagster's own storage opens an engine and a connection, reads the schema of two
tables and waits for the disk, twice for an asset event. This storage keeps a connection open for
each of the databases that were used last (each run has its own), reads the schema once, and writes
ahead (WAL) without waiting: a crash of the process loses nothing, a crash of the machine can lose
the last events. Events are display and never evidence. The files are those of Dagster's own
storage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import sqlalchemy as db
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    SqliteEventLogStorage,
    SqliteEventLogStorageWatchdog,
)
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.pool import StaticPool
from watchdog.events import FileSystemEvent
from watchdog.observers import Observer

_MOST_OPEN = 8  # databases, each with up to three files


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """Keeps one open connection for each of the last databases.

    All threads share it: Dagster's lock lets one of them work at a time.
    """

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: dict[str, db.Engine] = {}
        self._tables: set[str] = set()
        self._columns: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Create the storage of ``dagster.yaml``; the inherited one creates its own class."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[db.Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> db.Engine:
        engine = self._engines.pop(shard, None) or self._open(shard)
        self._engines[shard] = engine  # the last used one
        while len(self._engines) > _MOST_OPEN:
            self._engines.pop(next(iter(self._engines))).dispose()
        return engine

    def _open(self, shard: str) -> db.Engine:
        engine = create_engine(
            self.conn_string_for_shard(shard),
            poolclass=StaticPool,
            connect_args={
                "timeout": SQLITE_BUSY_TIMEOUT_SECONDS,
                "check_same_thread": False,
            },
        )
        db.event.listen(engine, "connect", _set_pragmas)
        return engine

    def has_table(self, table_name: str) -> bool:
        """Whether the index database has a table; tables are never dropped."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _has_asset_key_col_on_connection(self, conn: db.Connection, column_name: str) -> bool:
        if column_name not in self._columns:
            if super()._has_asset_key_col_on_connection(conn, column_name):
                self._columns.add(column_name)
        return column_name in self._columns

    def watch(self, run_id: str, cursor: str | None, callback: Any) -> None:
        """Call back for each new event of a run, also in the write-ahead log."""
        observer: Any = self._obs
        if observer is None:
            self.__dict__["_obs"] = observer = Observer()
            observer.start()
        watchdog = _Watchdog(self, run_id, callback, cursor)
        watched = observer.schedule(watchdog, self._base_dir, recursive=True)
        self._watchers[run_id][callback] = (watchdog, watched)

    def delete_events(self, run_id: str) -> None:
        """Delete the events of a run, and its database, which the inherited method leaves."""
        super().delete_events(run_id)
        with self._db_lock:
            engine = self._engines.pop(run_id, None)
            if engine is not None:
                engine.dispose()
            self._initialized_dbs.discard(run_id)
            for end in ("", "-wal", "-shm"):
                Path(f"{self.path_for_shard(run_id)}{end}").unlink(missing_ok=True)

    def dispose(self) -> None:
        """Close every connection."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


class _Watchdog(SqliteEventLogStorageWatchdog):
    """Watches the database of a run and its log: with an open connection only the log changes."""

    def __init__(self, storage: SqliteEventLogStorage, run_id: str, *rest: Any) -> None:
        super().__init__(storage, run_id, *rest)
        path = storage.path_for_shard(run_id)
        self._patterns = [path, f"{path}-wal"]

    def on_modified(self, event: FileSystemEvent) -> None:
        """Pass new events on."""
        self._process_log()


def _set_pragmas(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
