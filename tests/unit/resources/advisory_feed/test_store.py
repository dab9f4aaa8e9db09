"""The store: updates that are whole or did not happen, and that lose no advisory in silence."""

import json
import multiprocessing
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from resources.advisory_feed.errors import (
    FeedError,
    HostileFeedError,
    UpdateRefusedError,
    UpdateRunningError,
)
from resources.advisory_feed.store import AdvisoryStore, Mode, Update
from resources.errors import ConfigurationError, UnavailableError
from security.advisories.advisory import Advisory
from security.advisories.errors import DatabaseError
from security.advisories.snapshot import BUNDLED, Snapshot, read_snapshot
from tests.osv_records import (
    NOW,
    affected,
    many_records,
    osv_record,
    write_directory,
    write_tar,
    write_zip,
)


@pytest.fixture
def store(tmp_path: Path) -> AdvisoryStore:
    """Return a store with twenty advisories for PyPI."""
    store = AdvisoryStore(tmp_path / "store")
    update(store, tmp_path / "first.zip", many_records(20))
    return store


def update(store: AdvisoryStore, path: Path, records: list[Any], **settings: Any) -> None:
    """Update from an archive of records."""
    write_zip(path, records)
    store.update(Update([str(path)], **settings), now=NOW)


def ids(store: AdvisoryStore) -> set[str]:
    """Return the identifiers of what is held."""
    with store.load() as database:
        return {one.id for one in database.records()}


def left_behind(store: AdvisoryStore) -> set[str]:
    """Return the names of what lies beside the database."""
    return {one.name for one in store.path.parent.iterdir()} - {
        "advisories.sqlite",
        "update.lock",
        "downloads",
    }


@pytest.mark.parametrize("kind", ["directory", "zip", "tar.gz", "file", "pypa"])
def test_every_kind_of_source_gives_the_same_advisory(tmp_path: Path, kind: str) -> None:
    record = osv_record("PYSEC-1")
    path = tmp_path / f"source.{kind}"
    if kind == "directory":
        write_directory(path, [record])
    elif kind == "zip":
        write_zip(path, [record])
    elif kind == "tar.gz":
        write_tar(path, {"PYSEC-1.json": json.dumps(record).encode()})
    elif kind == "file":
        path = write_directory(tmp_path / "one", [record]) / "PYSEC-1.json"
    else:
        (path / "vulns" / "victim").mkdir(parents=True)
        yaml = json.dumps(record)  # which is YAML, too
        (path / "vulns" / "victim" / "PYSEC-1.yaml").write_text(yaml)
        (path / "README.md").write_text("x")
    store = AdvisoryStore(tmp_path / "store")
    outcome = store.update(Update([str(path)]), now=NOW)
    assert outcome.changed and outcome.status.advisories == 1
    reference = AdvisoryStore(tmp_path / "reference")
    update(reference, tmp_path / "reference.zip", [record])
    with reference.load() as database:
        assert outcome.status.sha256 == database.status.sha256


def test_replacing_takes_away_what_the_publisher_took_away(
    store: AdvisoryStore, tmp_path: Path
) -> None:
    update(store, tmp_path / "next.zip", many_records(19))
    assert len(ids(store)) == 19


def test_replacing_one_ecosystem_keeps_the_others(store: AdvisoryStore, tmp_path: Path) -> None:
    debian = many_records(2, ecosystem="Debian:12", prefix="DSA-")
    update(store, tmp_path / "debian.zip", debian)
    assert len(ids(store)) == 22
    with store.load() as database:
        assert [one.name for one in database.status.ecosystems] == ["Debian:12", "PyPI"]
        assert len(database.status.sources) == 2
    update(store, tmp_path / "debian.zip", many_records(3, ecosystem="Debian:12", prefix="DSA-"))
    assert len(ids(store)) == 23


def test_adding_keeps_everything_and_the_newer_of_two_records(
    store: AdvisoryStore, tmp_path: Path
) -> None:
    newer = osv_record("PYSEC-2025-1", modified="2026-01-01T00:00:00Z", summary="newer")
    older = osv_record("PYSEC-2025-2", modified="2020-01-01T00:00:00Z", summary="older")
    update(store, tmp_path / "more.zip", [newer, older, osv_record("NEW-1")], mode=Mode.ADD)
    assert len(ids(store)) == 21
    with store.load() as database:
        texts = {one.id: one.document or b"" for one in database.records()}
    assert b"newer" in texts["PYSEC-2025-1"] and b"older" not in texts["PYSEC-2025-2"]


def test_of_two_records_with_one_identifier_the_newer_counts_in_any_order(tmp_path: Path) -> None:
    old = osv_record("A-1", modified="2024-01-01T00:00:00Z", summary="old")
    new = osv_record("A-1", modified="2025-01-01T00:00:00Z", summary="new")
    for number, records in enumerate([[old, new], [new, old]]):
        root = tmp_path / str(number)
        root.mkdir()
        for position, record in enumerate(records):
            (root / f"{position}.json").write_text(json.dumps(record))
        store = AdvisoryStore(tmp_path / f"store-{number}")
        store.update(Update([str(root)]), now=NOW)
        with store.load() as database:
            assert b'"new"' in (next(iter(database.records())).document or b"")


def refusals() -> list[tuple[str, list[Any], str]]:
    """Return updates that must not happen to twenty advisories."""
    old = [{**one, "modified": "2025-12-30T00:00:00Z"} for one in many_records(20)]
    broken = [*many_records(20), osv_record("B-1", modified="never"), osv_record("B-2", aliases=3)]
    return [
        ("shrinks", many_records(15), "has 15 advisories for PyPI, the database has 20"),
        ("one left", many_records(1), "has 1 advisories"),
        ("older", old, "older than the database for PyPI"),
        ("malformed", broken, "2 of 22 records .* are malformed, the first: .*B-1.json: modified"),
        ("lost", [*many_records(20), {"id": "B-1"}], "1 records .* cannot be read"),
    ]


@pytest.mark.parametrize(
    ("records", "message"), [row[1:] for row in refusals()], ids=[row[0] for row in refusals()]
)
def test_update_that_makes_the_database_worse_is_refused(
    store: AdvisoryStore, tmp_path: Path, records: list[Any], message: str
) -> None:
    before = store.path.read_bytes()
    with pytest.raises(UpdateRefusedError, match=message) as raised:
        update(store, tmp_path / "worse.zip", records)
    assert raised.value.hint
    assert store.path.read_bytes() == before and not left_behind(store)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_loss_is_taken_from_who_knows_why(
    store: AdvisoryStore, tmp_path: Path, number: int
) -> None:
    records = refusals()[number][1]
    update(store, tmp_path / "worse.zip", records, allow_loss=True)
    assert ids(store) == {one["id"] for one in records}


@pytest.mark.parametrize("number", [3, 4])
def test_malformed_records_are_refused_whatever_is_allowed(
    store: AdvisoryStore, tmp_path: Path, number: int
) -> None:
    with pytest.raises(UpdateRefusedError):
        update(store, tmp_path / "worse.zip", refusals()[number][1], allow_loss=True)


def test_few_malformed_records_of_many_are_kept_as_unreadable(tmp_path: Path) -> None:
    store = AdvisoryStore(tmp_path / "store")
    broken = osv_record("B-1", affected=[affected("victim", [{"fixed": "1"}])])
    update(store, tmp_path / "a.zip", [*many_records(150), broken])
    with store.load() as database:
        assert database.status.unreadable == ("B-1",)
        assert database.status.ecosystems[0].count == 150
    # and they stay when another update carries them over
    update(store, tmp_path / "b.zip", [osv_record("NEW-1")], mode=Mode.ADD)
    with store.load() as database:
        assert database.status.unreadable == ("B-1",)
        assert [one.id for one in database.find("PyPI", "victim")] == ["B-1", "NEW-1"]


def test_record_that_became_unreadable_is_not_hidden_by_its_former_self(tmp_path: Path) -> None:
    store = AdvisoryStore(tmp_path / "store")
    update(store, tmp_path / "a.zip", many_records(150))
    broken = {**many_records(1)[0], "modified": "never"}
    update(store, tmp_path / "b.zip", [*many_records(150)[1:], broken], mode=Mode.ADD)
    with store.load() as database:
        assert database.status.unreadable == ("PYSEC-2025-0",)
    update(store, tmp_path / "c.zip", many_records(150), mode=Mode.ADD)
    with store.load() as database:
        assert database.status.unreadable == ()


def test_surrogates_and_control_characters_in_broken_records_do_no_harm(tmp_path: Path) -> None:
    broken = osv_record("B-\ud800", affected=[affected("victim"), affected("\ud800\n")])
    odd = osv_record("A-1", summary="\ud800\x1b[31mred")
    members = [*many_records(150), broken, odd]
    contents = {f"{n}.json": json.dumps(one).encode() for n, one in enumerate(members)}
    store = AdvisoryStore(tmp_path / "store")
    store.update(Update([str(write_tar(tmp_path / "a.tar.gz", contents))]), now=NOW)
    with store.load() as database:
        (identifier,) = database.status.unreadable
        found = database.find("PyPI", "victim")
    assert identifier.isprintable()
    assert [one.summary.isprintable() for one in found if isinstance(one, Advisory)] == [True]


def test_source_about_other_ecosystems_is_no_source(tmp_path: Path) -> None:
    store = AdvisoryStore(tmp_path / "store")
    with pytest.raises(FeedError, match="no advisory for PyPI or Debian"):
        update(store, tmp_path / "a.zip", many_records(3, ecosystem="npm"))
    assert not store.path.exists()
    mixed = [*many_records(3, ecosystem="npm", prefix="N-"), osv_record("A-1")]
    write_zip(tmp_path / "b.zip", mixed)
    outcome = store.update(Update([str(tmp_path / "b.zip")]), now=NOW)
    assert outcome.elsewhere == 3 and outcome.status.advisories == 1


def test_record_from_the_future_does_not_keep_the_database_young(tmp_path: Path) -> None:
    store = AdvisoryStore(tmp_path / "store")
    eternal = osv_record("A-1", modified="2999-01-01T00:00:00Z")
    update(store, tmp_path / "a.zip", [eternal, osv_record("A-2", modified="2025-01-02T00:00:00Z")])
    with store.load() as database:
        assert database.status.age("PyPI", NOW) == NOW - datetime(2025, 1, 2, tzinfo=UTC)


def test_failing_source_leaves_the_database_as_it_was(store: AdvisoryStore, tmp_path: Path) -> None:
    before = store.path.read_bytes()
    good = write_zip(tmp_path / "good.zip", many_records(25))
    bomb = write_tar(tmp_path / "bad.tar.gz", {"../a.json": b"{}"})
    with pytest.raises(HostileFeedError):
        store.update(Update([str(good), str(bomb)]), now=NOW)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(good.read_bytes()[:-100])
    with pytest.raises(FeedError):
        store.update(Update([str(cut)]), now=NOW)
    with pytest.raises(ConfigurationError):
        store.update(Update([str(tmp_path / "none.zip")]), now=NOW)
    with pytest.raises(ConfigurationError):
        store.update(Update([]), now=NOW)
    with pytest.raises(ConfigurationError, match="sha256 needs exactly one address"):
        store.update(Update([str(good)], sha256="0" * 64), now=NOW)
    assert store.path.read_bytes() == before and not left_behind(store)


def test_disk_that_refuses_leaves_the_database_as_it_was(
    store: AdvisoryStore, tmp_path: Path
) -> None:
    before = store.path.read_bytes()
    store.path.with_suffix(".next").mkdir()
    with pytest.raises(UnavailableError):
        update(store, tmp_path / "next.zip", many_records(25))
    assert store.path.read_bytes() == before


def test_half_written_candidate_of_a_crash_is_never_used(
    store: AdvisoryStore, tmp_path: Path
) -> None:
    store.path.with_suffix(".next").write_bytes(store.path.read_bytes()[:1000])
    assert len(ids(store)) == 20
    update(store, tmp_path / "next.zip", many_records(21))
    assert len(ids(store)) == 21 and not left_behind(store)


def test_damaged_database_is_replaced_by_the_next_update(
    store: AdvisoryStore, tmp_path: Path
) -> None:
    store.path.write_bytes(b"garbage")
    with pytest.raises(DatabaseError):
        store.load()
    update(store, tmp_path / "next.zip", many_records(3))
    assert len(ids(store)) == 3


def hold_lock(directory: str, ready: Any, done: Any) -> None:
    """Hold a store's lock in another process."""
    with AdvisoryStore(Path(directory))._lock():
        ready.set()
        done.wait(30)


@pytest.mark.process
def test_second_update_at_once_is_refused_and_harms_nothing(
    store: AdvisoryStore, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold_lock, args=(str(store.path.parent), ready, done))
    other.start()
    try:
        assert ready.wait(30)
        with pytest.raises(UpdateRunningError, match="another update is running"):
            update(store, tmp_path / "next.zip", many_records(25))
        assert len(ids(store)) == 20  # readers need no lock
    finally:
        done.set()
        other.join()
    update(store, tmp_path / "next.zip", many_records(25))
    assert len(ids(store)) == 25


@pytest.mark.process
def test_lock_of_a_killed_update_holds_nobody_up(store: AdvisoryStore, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold_lock, args=(str(store.path.parent), ready, done))
    other.start()
    assert ready.wait(30)
    other.kill()
    other.join()
    update(store, tmp_path / "next.zip", many_records(25))


def test_readers_during_updates_see_one_database_or_the_other(
    store: AdvisoryStore, tmp_path: Path
) -> None:
    stop = threading.Event()
    seen: set[int] = set()
    failures: list[BaseException] = []

    def read() -> None:
        while not stop.is_set():
            try:
                seen.add(len(ids(store)))
            except BaseException as error:  # carried to the test
                failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for count in (25, 21, 25, 21, 25):
        update(store, tmp_path / "next.zip", many_records(count))
    stop.set()
    reader.join()
    assert not failures and seen <= {20, 21, 25}


def test_bundled_advisories_are_indexed_once(tmp_path: Path) -> None:
    store = AdvisoryStore(tmp_path / "store")
    with store.load_or_index(now=NOW) as database:
        assert database.status.sources[0].address == f"bundled:{BUNDLED.name}"
    first = store.path.stat().st_mtime_ns
    store.load_or_index(now=NOW + timedelta(days=1)).close()
    assert store.path.stat().st_mtime_ns == first


def test_first_use_by_several_at_once_gives_each_the_database(tmp_path: Path) -> None:
    counts: list[int] = []

    def use() -> None:
        with AdvisoryStore(tmp_path / "store").load_or_index(now=NOW) as database:
            counts.append(database.status.advisories)

    users = [threading.Thread(target=use) for _ in range(2)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert counts == [BUNDLED.records] * 2
    assert not left_behind(AdvisoryStore(tmp_path / "store"))


def test_other_bundled_advisories_take_the_place_of_the_former_ones_only(
    tmp_path: Path, store: AdvisoryStore
) -> None:
    before = store.path.read_bytes()
    store.load_or_index(now=NOW).close()
    assert store.path.read_bytes() == before  # its own sources are kept
    bundled = AdvisoryStore(tmp_path / "bundled")
    bundled.load_or_index(now=NOW).close()
    newer = Snapshot(BUNDLED.name, "0" * 64, BUNDLED.records, BUNDLED.size)
    with pytest.raises(DatabaseError, match="have another digest"):
        bundled.load_or_index(now=NOW, snapshot=newer)  # it did try
    assert len(ids(bundled)) == BUNDLED.records


def test_damaged_database_is_not_papered_over_with_the_bundled_one(store: AdvisoryStore) -> None:
    store.path.write_bytes(os.urandom(1000))
    with pytest.raises(DatabaseError):
        store.load_or_index(now=NOW)


def test_pypa_checkout_in_yaml_gives_the_same_advisories_as_json(tmp_path: Path) -> None:
    documents = [json.loads(content) for content in list(read_snapshot())[::20]]
    assert len(documents) > 100
    checkout = tmp_path / "checkout"
    for document in documents:
        path = checkout / "vulns" / document["affected"][0]["package"]["name"]
        path.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(document, allow_unicode=True)
        (path / f"{document['id']}.yaml").write_text(text)
    from_yaml, from_json = AdvisoryStore(tmp_path / "yaml"), AdvisoryStore(tmp_path / "json")
    update(from_json, tmp_path / "all.zip", documents)
    status = from_yaml.update(Update([str(checkout)]), now=NOW).status
    with from_json.load() as database:
        assert status.sha256 == database.status.sha256
