"""The database: what it says of itself, and every damage that must be noticed."""

import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.advisory_feed.store import AdvisoryStore, Update
from security.advisories.database import AdvisoryDatabase, load_database
from security.advisories.errors import DatabaseError
from security.advisories.packages.package import Package
from security.advisories.snapshot import BUNDLED, Snapshot, read_snapshot
from security.advisories.vulnerability import match_packages
from tests.osv_records import NOW, affected, many_records, osv_record, write_directory


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Build a small database."""
    records = [
        *many_records(3),
        osv_record("D-1", affected=[affected("a", ecosystem="Debian:12")]),
        osv_record("D-2", affected=[affected("b", ecosystem="Debian:11")]),
    ]
    records[0]["modified"] = "2025-06-01T00:00:00Z"
    records[4]["modified"] = "2025-01-01T00:00:00Z"
    store = AdvisoryStore(tmp_path / "store")
    store.update(Update([str(write_directory(tmp_path / "records", records))]), now=NOW)
    yield store.path


def change(path: Path, *statements: str) -> None:
    """Run SQL on the file."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_database_says_what_it_is_made_of(path: Path) -> None:
    with load_database(path) as database:
        status = database.status
    assert status.advisories == 5 and status.unreadable == () and status.built == NOW
    assert [(one.name, one.count) for one in status.ecosystems] == [
        ("Debian:11", 1),
        ("Debian:12", 1),
        ("PyPI", 3),
    ]
    assert len(status.sha256) == 64
    assert status.age("PyPI", NOW) == NOW - datetime(2025, 12, 31, 10, tzinfo=UTC)
    assert status.age("Debian", NOW) == NOW - datetime(2025, 1, 1, tzinfo=UTC)
    assert status.age("Debian:13", NOW) is None
    assert status.age("npm", NOW) is None


def test_age_is_that_of_the_records_and_not_of_the_indexing(bundled: AdvisoryDatabase) -> None:
    age = bundled.status.age("PyPI", NOW)
    assert age is not None and age > timedelta(days=400)
    assert bundled.status.age("PyPI", datetime(2020, 1, 1, tzinfo=UTC)) == timedelta(0)


def test_same_records_have_the_same_digest_wherever_they_are_built(
    tmp_path: Path, path: Path
) -> None:
    store = AdvisoryStore(tmp_path / "other")
    source = str(tmp_path / "records")
    status = store.update(Update([source]), now=NOW + timedelta(days=3)).status
    assert status.sha256 == load_database(path).status.sha256
    write_directory(tmp_path / "records", [osv_record("PYSEC-2025-0", summary="another text")])
    assert store.update(Update([source]), now=NOW).status.sha256 != status.sha256


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", b"SQLite format 3\0", b"SQLite format 3\0" + os.urandom(8192), b"\0" * 9000],
    ids=["empty", "text", "header only", "header and noise", "zeros"],
)
def test_garbage_in_place_of_the_database_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DatabaseError, match="advisory database invalid|not an advisory database"):
        load_database(path)


def test_missing_database_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="no advisory database") as raised:
        load_database(tmp_path / "none.sqlite")
    assert "ml-assets advisories update" in raised.value.hint


def test_directory_in_place_of_the_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot read the advisory database"):
        load_database(tmp_path)


@pytest.mark.parametrize("version", [0, 2, 99])
def test_database_of_another_schema_is_refused(path: Path, version: int) -> None:
    change(path, f"PRAGMA user_version = {version}")
    with pytest.raises(DatabaseError, match=f"schema {version}, expected 1"):
        load_database(path)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM affected WHERE name = 'package-1'",
        "UPDATE affected SET name = 'package-x' WHERE name = 'package-1'",
        "DELETE FROM advisory WHERE id = 'PYSEC-2025-1'",
        "UPDATE advisory SET document = (SELECT document FROM advisory LIMIT 1)",
        "UPDATE ecosystem SET newest = '2026-01-01T00:00:00+00:00'",
        "UPDATE property SET value = '2026-01-01T00:00:00+00:00' WHERE key = 'built'",
        "DELETE FROM property WHERE key = 'seal'",
        "DELETE FROM source",
    ],
)
def test_changed_row_is_noticed(path: Path, statement: str) -> None:
    change(path, statement)
    with pytest.raises(DatabaseError, match="damaged"):
        load_database(path)


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE more (x)"],
        ["CREATE TRIGGER t AFTER INSERT ON source BEGIN DELETE FROM advisory; END"],
        ["ALTER TABLE affected RENAME TO a", "CREATE VIEW affected AS SELECT * FROM a WHERE 0"],
        ["DROP TABLE affected"],
    ],
)
def test_other_tables_views_and_triggers_are_refused(path: Path, statements: list[str]) -> None:
    change(path, *statements)
    with pytest.raises(DatabaseError, match="unexpected tables|damaged"):
        load_database(path)


def test_database_cut_off_anywhere_is_refused(path: Path) -> None:
    content = path.read_bytes()
    for size in range(0, len(content), 512):
        path.write_bytes(content[:size])
        with pytest.raises(DatabaseError):
            load_database(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_flipped_bit_changes_no_answer_unnoticed(path: Path, data: st.DataObject) -> None:
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    changed = path.with_name("changed.sqlite")
    changed.write_bytes(content)
    names = [("PyPI", f"package-{n}") for n in range(3)] + [("Debian:12", "a"), ("Debian:11", "b")]
    try:
        with load_database(changed) as database:
            found = [database.find(*name) for name in names]
            status = database.status
    except DatabaseError:
        return
    with load_database(path) as original:
        assert found == [original.find(*name) for name in names]
        assert status == original.status


def test_journal_laid_beside_the_database_is_not_replayed(path: Path) -> None:
    other = path.with_name("other.sqlite")
    other.write_bytes(path.read_bytes())
    connection = sqlite3.connect(other)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("DELETE FROM affected")
    connection.commit()
    log = other.with_name("other.sqlite-wal").read_bytes()
    connection.close()
    path.with_name(path.name + "-wal").write_bytes(log)
    path.with_name(path.name + "-journal").write_bytes(log)
    with load_database(path) as database:
        assert database.find("PyPI", "package-1")


def test_reading_changes_nothing_on_the_disk(path: Path) -> None:
    before = {one: one.stat().st_mtime_ns for one in path.parent.iterdir()}
    path.chmod(0o444)
    with load_database(path) as database:
        database.find("PyPI", "package-1")
    assert before == {one: one.stat().st_mtime_ns for one in path.parent.iterdir()}


def test_name_with_sql_in_it_is_only_a_name(path: Path) -> None:
    with load_database(path) as database:
        assert database.find("PyPI", "x' OR '1'='1") == []


def test_changed_snapshot_is_refused(tmp_path: Path) -> None:
    changed = Snapshot(BUNDLED.name, "0" * 64, BUNDLED.records, BUNDLED.size)
    with pytest.raises(DatabaseError, match="have another digest"):
        list(read_snapshot(changed))
    short = Snapshot(BUNDLED.name, BUNDLED.sha256, BUNDLED.records, 1000)
    with pytest.raises(DatabaseError, match="incomplete"):
        list(read_snapshot(short))
    with pytest.raises(DatabaseError, match="cannot read the bundled advisories"):
        list(read_snapshot(Snapshot("none", "", 0, 0)))


def test_snapshot_is_whole_and_carries_its_attribution(bundled: AdvisoryDatabase) -> None:
    assert bundled.status.advisories == BUNDLED.records == 2661
    beside = (BUNDLED.path.parent / "ATTRIBUTION.md").read_text()
    notice = (Path(__file__).resolve().parents[4] / "NOTICE").read_text()
    for text in (beside, notice):
        assert "Python Packaging Advisory Database, CC BY 4.0" in text and BUNDLED.name in text


def test_500_packages_are_looked_up_and_not_searched_for(tmp_path: Path) -> None:
    store = AdvisoryStore(tmp_path)
    store.index_snapshot(now=NOW)
    start = time.process_time()
    with store.load() as database:
        named = sorted({name for one in database.records() for _, name in one.packages})
    packages = [Package("PyPI", name, "1.0", name, n) for n, name in enumerate(named[:500])]
    assert len(packages) == 500
    reading = time.process_time() - start
    start = time.process_time()
    with store.load() as database:
        matches = match_packages(database, packages, at=NOW)
    looking = time.process_time() - start
    assert looking < 3 * reading  # it has 664 packages: reading all for each would be 500 times
    assert matches.judged == 500 and matches.vulnerabilities


@pytest.mark.parametrize(
    ("identifier", "known"),
    [("D-1", True), ("d-2", True), ("CVE-2025-1", True), ("cve-2025-1", True), ("CVE-2025", False)],
)
def test_identifier_is_known_by_any_of_its_names(
    tmp_path: Path, identifier: str, known: bool
) -> None:
    records = [
        osv_record("D-1", affected=[affected("a")], aliases=["CVE-2025-1"]),
        osv_record("D-2", affected=[affected("b")], details="like CVE-2025"),
    ]
    store = AdvisoryStore(tmp_path / "store")
    store.update(Update([str(write_directory(tmp_path / "records", records))]), now=NOW)
    with store.load() as database:
        assert database.knows(identifier) is known
