"""The user's advisories: found outside of the project, identified cheaply, never mistaken."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ml_assets.gating.advisories import PUBLIC_SOURCES, Advisories, find_directory, open_store
from resources.advisory_feed.http_request import verify_address
from resources.advisory_feed.store import AdvisoryStore, Update
from resources.errors import ConfigurationError
from security.advisories.errors import DatabaseError
from security.advisories.snapshot import BUNDLED
from tests.osv_records import NOW, many_records, write_directory


@pytest.fixture
def store(tmp_path: Path) -> AdvisoryStore:
    """Index a few records."""
    made = AdvisoryStore(tmp_path / "store")
    made.update(Update([str(write_directory(tmp_path / "records", many_records(20)))]), now=NOW)
    return made


@pytest.fixture
def advisories(store: AdvisoryStore) -> Iterator[Advisories]:
    """Look after them for one command."""
    with Advisories(store, now=NOW) as made:
        yield made


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HOME": "/home/u"}, "/home/u/.local/share/ml-assets/advisories"),
        ({"HOME": "/home/u", "XDG_DATA_HOME": "/data"}, "/data/ml-assets/advisories"),
        ({"HOME": "/home/u", "XDG_DATA_HOME": "data"}, "/home/u/.local/share/ml-assets/advisories"),
        ({"HOME": "/home/u", "XDG_DATA_HOME": "/d", "ML_ASSETS_ADVISORIES": "/a"}, "/a"),
        ({"ML_ASSETS_ADVISORIES": "/a"}, "/a"),
    ],
)
def test_directory_is_the_users(variables: dict[str, str], expected: str) -> None:
    assert find_directory(variables) == Path(expected)
    assert open_store(variables).path == Path(expected, "advisories.sqlite")


@pytest.mark.parametrize(
    "variables", [{}, {"HOME": "here"}, {"HOME": "/home/u", "ML_ASSETS_ADVISORIES": "advisories"}]
)
def test_directory_is_never_relative_to_the_project(variables: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        find_directory(variables)


def test_public_sources_may_be_downloaded() -> None:
    for url in PUBLIC_SOURCES:
        verify_address(url, "")
    ecosystems = [re.fullmatch(r"https://[^/]+/(\w+)/all\.zip", url) for url in PUBLIC_SOURCES]
    assert [one and one[1] for one in ecosystems] == ["PyPI", "Debian"]


def test_digest_is_that_of_the_database_and_costs_no_opening(
    store: AdvisoryStore, advisories: Advisories
) -> None:
    with store.load() as database:
        sha256 = database.status.sha256
    content = bytearray(store.path.read_bytes())
    content[content.index(b"PYSEC-2025-7")] ^= 1  # opening would notice
    store.path.write_bytes(content)
    assert advisories.identify() == sha256
    with pytest.raises(DatabaseError, match="damaged"):
        advisories.open()


def test_one_command_sees_one_database(
    store: AdvisoryStore, advisories: Advisories, tmp_path: Path
) -> None:
    before, opened = advisories.identify(), advisories.open()
    records = write_directory(tmp_path / "more", many_records(30))
    store.update(Update([str(records)]), now=NOW)
    assert advisories.identify() == before == opened.status.sha256
    assert advisories.open() is opened
    assert Advisories(store, now=NOW).identify() != before


def test_first_use_indexes_the_bundled_advisories(tmp_path: Path) -> None:
    store = AdvisoryStore(tmp_path / "new")
    with Advisories(store, now=NOW) as first, Advisories(store, now=NOW) as second:
        sha256 = first.identify()
        assert store.path.is_file() and first.open().status.advisories == BUNDLED.records
        assert second.identify() == second.open().status.sha256 == sha256


def test_bundled_advisories_of_another_release_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = AdvisoryStore(tmp_path / "store")
    monkeypatch.setattr("ml_assets.gating.advisories.BUNDLED", replace(BUNDLED, sha256="0" * 64))
    store.load_or_index(now=NOW).close()
    asked: list[str] = []

    class Watched(AdvisoryStore):
        def load_or_index(self, **settings: object):  # type: ignore[no-untyped-def]  # passes on
            asked.append("opened")
            return super().load_or_index(**settings)  # type: ignore[arg-type]  # passed on

    with Advisories(Watched(tmp_path / "store"), now=NOW) as advisories:
        advisories.identify()
    assert asked == ["opened"]


def test_journal_beside_the_database_is_not_replayed(
    store: AdvisoryStore, advisories: Advisories
) -> None:
    with store.load() as database:
        sha256 = database.status.sha256
    copy = store.path.with_name("copy.sqlite")
    copy.write_bytes(store.path.read_bytes())
    connection = sqlite3.connect(copy)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("UPDATE property SET value = 'forged' WHERE key = 'records_sha256'")
    connection.commit()
    header = copy.read_bytes()  # now marked as having a write-ahead log
    store.path.with_name("advisories.sqlite-wal").write_bytes(
        copy.with_name("copy.sqlite-wal").read_bytes()
    )
    connection.close()
    store.path.write_bytes(header)
    assert advisories.identify() == sha256


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + bytes(500), b"nothing"])
def test_file_that_is_no_database_is_an_error(
    store: AdvisoryStore, advisories: Advisories, content: bytes
) -> None:
    store.path.write_bytes(content)
    with pytest.raises(DatabaseError):
        advisories.identify()


def test_place_that_cannot_be_written_is_an_error_of_the_judge(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DatabaseError, match="not a directory"):
        Advisories(AdvisoryStore(tmp_path / "file" / "below"), now=NOW).identify()
