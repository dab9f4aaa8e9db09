"""The index: it finds what the ledger has, also after it was lost, damaged or fell behind."""

from pathlib import Path

import pytest

from security.ledger.statement_index import StatementIndex, open_index
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
