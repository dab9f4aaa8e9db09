"""The advisory database of a user: its directory, and access for gates.

It is never in the project: judged files must not bring their own advisories.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from resources.advisory_feed.store import AdvisoryStore
from resources.errors import ConfigurationError, ResourceError
from security.advisories.database import AdvisoryDatabase
from security.advisories.errors import DatabaseError
from security.advisories.snapshot import BUNDLED

_PUBLISHER = "pypa-advisories-"
VARIABLE = "ML_ASSETS_ADVISORIES"
_BUCKET = "https://osv-vulnerabilities.storage.googleapis.com"
# OSV's archives of the ecosystems that the gate supports.
PUBLIC_SOURCES = (f"{_BUCKET}/PyPI/all.zip", f"{_BUCKET}/Debian/all.zip")


def find_directory(variables: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of the database (XDG Base Directory Specification).

    Args:
        variables: the environment: ML_ASSETS_ADVISORIES, else XDG_DATA_HOME, else HOME.

    Raises:
        ConfigurationError: the path is not absolute, or there is no home directory.
    """
    if given := variables.get(VARIABLE):
        # A relative path could point into the project, where a branch can put a database.
        if not os.path.isabs(given):
            raise ConfigurationError(f"not absolute: {VARIABLE}: {given}", "give an absolute path")
        return Path(given)
    data = variables.get("XDG_DATA_HOME", "")
    home = variables.get("HOME", "")
    if os.path.isabs(data):
        return Path(data, "ml-assets", "advisories")
    if os.path.isabs(home):
        return Path(home, ".local", "share", "ml-assets", "advisories")
    raise ConfigurationError("no directory for advisories", f"set HOME or {VARIABLE}")


def open_store(variables: Mapping[str, str] = os.environ) -> AdvisoryStore:
    """Return the store of the user's advisories, without reading or writing it.

    Raises:
        ConfigurationError: as `find_directory`.
    """
    return AdvisoryStore(find_directory(variables))


def offer_update(variables: Mapping[str, str] = os.environ) -> str | None:
    """Offer an update on the first use, when only the bundled advisories are there.

    Later, every result of the gate says how old its advisories are.
    """
    try:
        if open_store(variables).path.exists():
            return None
    except ConfigurationError:
        return None  # the gate is an error with this reason
    day = BUNDLED.name.removeprefix(_PUBLISHER)
    hint = "with a network, update them: ml-assets advisories update"
    return f"known vulnerabilities end {day}, with this release; {hint}"


class Advisories:
    """The advisories of one command, opened once, when a gate needs them.

    Args:
        store: the store of the database.
        now: time of the index, if the first use builds it from the bundled advisories.
    """

    def __init__(self, store: AdvisoryStore, *, now: datetime) -> None:
        self._store = store
        self._now = now
        self._database: AdvisoryDatabase | None = None
        self._sha256 = ""

    def open(self) -> AdvisoryDatabase:
        """Return the database.

        Raises:
            DatabaseError: the database is damaged, or cannot be built.
        """
        if self._database is None:
            try:
                self._database = self._store.load_or_index(now=self._now)
            except ResourceError as error:
                raise DatabaseError(error.message, error.hint) from error
        return self._database

    def identify(self) -> str:
        """Return the sha256 of the records from the database file.

        The gate compares it with the database that it opens, so that a result is never bound to
        other advisories than the gate used.

        Raises:
            DatabaseError: the database is damaged, or cannot be built.
        """
        if not self._sha256:
            self._sha256 = self._peek() or self.open().status.sha256
        return self._sha256

    def close(self) -> None:
        """Close the database."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def __enter__(self) -> Advisories:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _peek(self) -> str | None:
        """Read the digest from the file; None if the database must be opened or built first.

        ``immutable`` stops SQLite from replaying a journal beside the file (attack: a planted
        journal).
        """
        address = f"file:{quote(str(self._store.path))}?mode=ro&immutable=1"
        try:
            with closing(sqlite3.connect(address, uri=True)) as connection:
                connection.execute("PRAGMA trusted_schema = OFF")
                query = "SELECT value FROM property WHERE key = 'records_sha256'"
                ((sha256,),) = connection.execute(query).fetchall()
                sources = connection.execute("SELECT address, sha256 FROM source").fetchall()
        except (sqlite3.Error, ValueError):
            return None
        outdated = all(
            str(address).startswith("bundled:") and digest != BUNDLED.sha256
            for address, digest in sources
        )
        return str(sha256) if sources and not outdated else None
