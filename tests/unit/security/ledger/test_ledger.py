"""The ledger: what is added stays, whole; what was changed or cut is no statement any more."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from security.ledger.ledger import Ledger, LedgerDirectory, LedgerError
from security.signing.public_key import SignatureError
from tests.unit.security.statements.statement_samples import Book, run


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "ledger")


def path_of(book: Book, digest: str) -> Path:
    found: Path = book.directory / digest[:2] / f"{digest[2:]}.json"
    return found


def test_statement_is_loaded_as_it_was_added(book: Book) -> None:
    bundle = book.add(run("model"))
    assert book.ledger.load(bundle.sha256).content == bundle.content
    assert list(book.ledger.digests()) == [bundle.sha256]


def test_ledger_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert list(Ledger(LedgerDirectory(tmp_path / "none")).digests()) == []


def test_changed_byte_is_noticed(book: Book) -> None:
    path = path_of(book, book.add(run("model")).sha256)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="changed in the ledger"):
        book.ledger.load(next(book.ledger.digests()))


def test_half_a_file_after_a_crash_is_noticed(book: Book) -> None:
    path = path_of(book, book.add(run("model")).sha256)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(LedgerError, match="changed in the ledger"):
        book.ledger.load(next(book.ledger.digests()))


def test_part_that_a_crash_left_has_no_name(book: Book) -> None:
    path = path_of(book, book.add(run("model")).sha256)
    path.with_name(".0123456789abcdef").write_bytes(b"{")
    assert len(list(book.ledger.digests())) == 1


def test_damaged_statement_is_put_right_by_adding_it_again(book: Book) -> None:
    bundle = book.add(run("model"))
    path_of(book, bundle.sha256).write_bytes(b"")
    book.ledger.append(bundle)
    assert book.ledger.load(bundle.sha256).content == bundle.content


def test_statement_under_another_name_is_noticed(book: Book) -> None:
    first, second = book.add(run("a")), book.add(run("b"))
    os.replace(path_of(book, first.sha256), path_of(book, second.sha256))
    with pytest.raises(LedgerError, match="changed in the ledger"):
        book.ledger.load(second.sha256)


def test_missing_statement_is_an_error(book: Book) -> None:
    with pytest.raises(LedgerError, match="no such file"):
        book.ledger.load("ab" * 32)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "ab" * 31, "AB" * 32])
def test_name_that_is_no_digest_leads_nowhere(book: Book, name: str) -> None:
    with pytest.raises(LedgerError, match="not the digest"):
        book.ledger.load(name)


def test_link_in_place_of_a_statement_is_not_followed(book: Book, tmp_path: Path) -> None:
    bundle = book.add(run("model"))
    path = path_of(book, bundle.sha256)
    (tmp_path / "elsewhere").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LedgerError, match="cannot read"):
        book.ledger.load(bundle.sha256)


def test_file_that_is_no_bundle_is_refused(book: Book) -> None:
    import hashlib

    content = b'{"mediaType": "text/plain"}'
    book.ledger._files.add(hashlib.sha256(content).hexdigest(), content)
    with pytest.raises(SignatureError, match="not a bundle"):
        book.ledger.load(hashlib.sha256(content).hexdigest())


def test_many_writers_lose_nothing(book: Book) -> None:
    bundles = [book.signer.sign(book.add(run(f"m{n}")).envelope.payload) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(Ledger(LedgerDirectory(book.directory)).append, bundles * 3))
    assert {one.sha256 for one in bundles} <= set(book.ledger.digests())


def test_read_only_directory_is_an_error_with_a_hint(tmp_path: Path, book: Book) -> None:
    (tmp_path / "file").write_text("")
    ledger = Ledger(LedgerDirectory(tmp_path / "file"))
    with pytest.raises(LedgerError, match="cannot add to the ledger"):
        ledger.append(book.add(run("model")))
