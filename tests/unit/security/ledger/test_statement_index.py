"""The index: it finds what the ledger has, also after it was lost, damaged or fell behind."""

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from resources.stores.seal import seal_with
from security.ledger.ledger import LedgerError
from security.ledger.statement_index import StatementIndex, open_index
from security.statements.provenance import PREDICATE
from security.statements.statement import Subject
from tests.unit.security.statements.statement_samples import Book, data, run, sha


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "ledger")


def test_statement_is_found_by_subject_and_by_material(book: Book, tmp_path: Path) -> None:
    bundle = book.add(run("model", data("raw")))
    with open_index(book.ledger, tmp_path / "index") as index:
        assert index.about(sha("model")) == [bundle.sha256]
        assert index.made_from(sha("raw")) == [bundle.sha256]
        assert index.about(sha("raw")) == []
        assert index.about(sha("model"), "https://example.com/other") == []
        assert index.having(bundle.envelope.payload) == bundle.sha256
        assert index.having(b"other") is None


def test_index_that_was_lost_is_made_again(book: Book, tmp_path: Path) -> None:
    bundle = book.add(run("model"))
    with open_index(book.ledger, tmp_path / "index"):
        pass
    (tmp_path / "index").unlink()
    with open_index(book.ledger, tmp_path / "index") as index:
        assert index.about(sha("model")) == [bundle.sha256]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 500])
def test_index_that_is_damaged_is_made_again(book: Book, tmp_path: Path, content: bytes) -> None:
    bundle = book.add(run("model"))
    (tmp_path / "index").write_bytes(content)
    with open_index(book.ledger, tmp_path / "index") as index:
        assert index.about(sha("model")) == [bundle.sha256]


@pytest.mark.parametrize("table", ["statements", "subjects", "materials"])
def test_index_that_was_half_made_is_made_again(book: Book, tmp_path: Path, table: str) -> None:
    """An earlier version could be killed between two tables."""
    file = tmp_path / "index.sqlite"
    bundle = book.add(run("model"))
    with open_index(book.ledger, file):
        pass
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(f"DROP TABLE {table}")

    with open_index(book.ledger, file) as index:
        assert index.about(sha("model")) == [bundle.sha256]


def test_busy_index_is_not_deleted(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would forget the decisions that the ledger has lost."""
    monkeypatch.setattr("security.ledger.statement_index._PATIENCE", 0.1)
    file = tmp_path / "index.sqlite"
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError, match="busy"):
            StatementIndex(book.ledger, file)
        other.rollback()

    assert file.exists()


def test_index_that_becomes_busy_is_named_as_the_cause(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("security.ledger.statement_index._PATIENCE", 0.1)
    file = tmp_path / "index.sqlite"
    with closing(StatementIndex(book.ledger, file)) as index:
        with closing(sqlite3.connect(file)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerError, match="busy"):
                index.refresh()
            other.rollback()
        assert index.refresh() == 0


def test_two_programs_make_one_index_together(book: Book, tmp_path: Path) -> None:
    file = tmp_path / "index.sqlite"
    bundle = book.add(run("model"))
    barrier = threading.Barrier(8)
    found: list[object] = []

    def open_one() -> None:
        barrier.wait()
        with open_index(book.ledger, file) as index:
            found.append(index.about(sha("model")))

    threads = [threading.Thread(target=open_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [[bundle.sha256]] * 8


def test_statement_of_another_writer_is_taken_in(book: Book, tmp_path: Path) -> None:
    index = StatementIndex(book.ledger, tmp_path / "index")
    assert index.refresh() == 0
    bundle = book.add(run("model"))
    assert index.refresh() == 1
    assert index.about(sha("model")) == [bundle.sha256]
    assert index.refresh() == 0


def test_statement_that_is_gone_is_dropped(book: Book, tmp_path: Path) -> None:
    bundle = book.add(run("model", data("raw")))
    with open_index(book.ledger, tmp_path / "index"):
        pass
    (book.directory / bundle.sha256[:2] / f"{bundle.sha256[2:]}.json").unlink()
    with open_index(book.ledger, tmp_path / "index") as index:
        assert index.about(sha("model")) == []
        assert index.made_from(sha("raw")) == []


def test_missing_statement_of_a_type_to_remember_is_told(book: Book, tmp_path: Path) -> None:
    bundle = book.add(run("model", data("raw")))
    place = book.directory / bundle.sha256[:2] / f"{bundle.sha256[2:]}.json"

    def open_again() -> StatementIndex:
        index = StatementIndex(book.ledger, tmp_path / "index", seal=seal, remember=(PREDICATE,))
        index.refresh()
        return index

    open_again()
    place.unlink()
    for _ in range(3):
        index = open_again()
        for one in (index, index.copy_sealed()):
            ((name, time),) = one.missing_about(sha("model"), PREDICATE)
            assert name == bundle.sha256 and time
            assert one.about(sha("model")) == one.made_from(sha("raw")) == []
            assert one.of_type(PREDICATE) == list(one.newest()) == []
            assert one.having(bundle.envelope.payload) is None
    book.ledger.append(bundle)
    index.add(bundle.sha256, bundle.statement)
    for one in (index, open_again(), open_again().copy_sealed()):
        assert one.missing_about(sha("model"), PREDICATE) == []
        assert one.about(sha("model")) == [bundle.sha256]


def test_row_without_a_seal_tells_of_no_missing_statement(book: Book, tmp_path: Path) -> None:
    bundle = book.add(run("model"))
    index = StatementIndex(book.ledger, tmp_path / "index", remember=(PREDICATE,))
    index.refresh()
    (book.directory / bundle.sha256[:2] / f"{bundle.sha256[2:]}.json").unlink()
    forged = StatementIndex(book.ledger, tmp_path / "index", seal=seal, remember=(PREDICATE,))
    assert forged.copy_sealed().missing_about(sha("model"), PREDICATE) == []


def test_damaged_statement_is_said_and_others_are_found(book: Book, tmp_path: Path) -> None:
    bad, good = book.add(run("bad")), book.add(run("good"))
    (book.directory / bad.sha256[:2] / f"{bad.sha256[2:]}.json").write_bytes(b"{}")
    said: list[str] = []
    with open_index(book.ledger, tmp_path / "index", said.append) as index:
        assert index.about(sha("good")) == [good.sha256]
    assert len(said) == 1
    assert "changed in the ledger" in said[0]


def test_shortened_digest_is_completed(book: Book) -> None:
    book.add(run("model"))
    index = StatementIndex(book.ledger)
    index.refresh()
    assert index.starting_with(sha("model")[:10]) == [sha("model")]
    assert index.starting_with("%") == []


# --- rows that somebody has changed


def seal(messages: Sequence[bytes]) -> list[bytes]:
    return seal_with(b"secret")("statement index", messages)


def test_sealed_rows_are_taken_without_reading_the_ledger(book: Book, tmp_path: Path) -> None:
    bundle = book.add(run("model", data("raw")))
    index = StatementIndex(book.ledger, tmp_path / "index", seal=seal)
    index.refresh()
    path = book.directory / bundle.sha256[:2] / f"{bundle.sha256[2:]}.json"
    path.write_bytes(b"{}")
    copy = index.copy_sealed()
    assert copy.about(sha("model")) == copy.made_from(sha("raw")) == [bundle.sha256]
    assert list(copy.newest()) == [bundle.sha256]
    assert copy.damaged == frozenset()


@pytest.mark.parametrize(
    "query",
    [
        "UPDATE statements SET predicate_type = 'x'",
        "UPDATE statements SET time = NULL",
        "UPDATE statements SET seal = NULL",
        "UPDATE statements SET id = 77",
        "DELETE FROM statements",
        "DELETE FROM subjects",
        "INSERT INTO subjects VALUES ('x', 1)",
        "DELETE FROM materials",
        "DROP TABLE materials",
    ],
)
def test_changed_rows_are_read_from_the_ledger_again(
    book: Book, tmp_path: Path, query: str
) -> None:
    bundle = book.add(run("model", data("raw")))
    index = StatementIndex(book.ledger, tmp_path / "index", seal=seal)
    index.refresh()
    with closing(sqlite3.connect(tmp_path / "index")) as database, database:
        database.execute(query)
    copy = index.copy_sealed()
    assert copy.about(sha("model"), PREDICATE) == copy.made_from(sha("raw")) == [bundle.sha256]
    assert copy.about("x") == []


def test_rows_of_another_user_are_read_from_the_ledger_again(book: Book, tmp_path: Path) -> None:
    bundle = book.add(run("model"))
    StatementIndex(book.ledger, tmp_path / "index").refresh()
    with closing(sqlite3.connect(tmp_path / "index")) as database, database:
        database.execute("DELETE FROM subjects")
    copy = StatementIndex(book.ledger, tmp_path / "index", seal=seal).copy_sealed()
    assert copy.about(sha("model")) == [bundle.sha256]


def test_unreadable_statement_without_a_sealed_row_is_damaged(book: Book, tmp_path: Path) -> None:
    bundle = book.add(run("model"))
    path = book.directory / bundle.sha256[:2] / f"{bundle.sha256[2:]}.json"
    path.write_bytes(b"{}")
    copy = StatementIndex(book.ledger, tmp_path / "index", seal=seal).copy_sealed()
    assert copy.damaged == {bundle.sha256}


def test_directory_is_no_file_with_the_same_digits(book: Book) -> None:
    digits = sha("listing")
    book.add(run("net", outs=(Subject("net", {"dirHash": digits}),)))
    index = StatementIndex(book.ledger)
    index.refresh()
    assert index.about(digits) == []
    assert len(index.about(f"dirHash:{digits}")) == 1
    assert index.starting_with(digits[:9]) == [f"dirHash:{digits}"]
