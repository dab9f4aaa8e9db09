"""Trace and impact: only what somebody trusted has stated is a way, in both directions."""

from pathlib import Path

import pytest

from security.statements.directory_listing import ListedFile, write_listing
from security.statements.provenance import Material, ProvenanceAction, Role
from security.statements.statement import Subject, identify
from security.verdict import Verdict
from security.verify.lineage import Node, impact, trace
from tests.unit.security.statements.statement_samples import (
    COMMIT,
    Book,
    data,
    make_signer,
    out_of,
    run,
    sha,
)

MODEL = Subject("model", {"sha256": sha("model")})


@pytest.fixture
def book(tmp_path: Path) -> Book:
    book = Book(tmp_path)
    book.add(run("clean", data("raw"), stage="prepare"))
    book.add(run("model", out_of("clean")))
    book.add(run("report", out_of("model"), stage="evaluate"))
    return book


def start(name: str) -> Node:
    return Node(sha(name), "asked", name, {"sha256": sha(name)})


def test_way_back_ends_at_commit_and_data(book: Book) -> None:
    found = trace(book.statements(), MODEL)
    kinds = {node.name: node.kind for node in found.nodes.values()}
    assert kinds == {"model": "out", "clean": "out", "raw": "data", "commit": "commit"}
    assert found.unproven == []
    assert COMMIT in found.nodes


def test_way_on_reaches_everything_made_from_it(book: Book) -> None:
    found = impact(book.statements(), start("raw"))
    assert {node.name for node in found.nodes.values()} == {"raw", "clean", "model", "report"}


def test_commit_leads_to_all_that_was_made_at_it(book: Book) -> None:
    found = impact(book.statements(), Node(COMMIT, "commit", "commit", {"gitCommit": COMMIT}))
    assert {node.name for node in found.nodes.values()} == {"commit", "clean", "model", "report"}


def test_unrelated_things_are_not_reached(book: Book) -> None:
    book.add(run("other", data("elsewhere"), stage="other"))
    assert sha("other") not in impact(book.statements(), start("raw")).nodes


def test_input_without_provenance_is_unproven(book: Book) -> None:
    book.add(run("lonely", out_of("from nowhere")))
    found = trace(book.statements(), Subject("lonely", {"sha256": sha("lonely")}))
    assert [node.name for node in found.unproven] == ["from nowhere"]


def test_statement_of_a_stranger_is_no_way(book: Book) -> None:
    book.add(run("forged", data("clean data")), make_signer())
    found = trace(book.statements(), Subject("forged", {"sha256": sha("forged")}))
    assert found.edges == {}
    (node,) = found.unproven
    assert "not trusted" in node.detail


def test_stranger_cannot_add_to_what_was_made_from_something(book: Book) -> None:
    book.add(run("poisoned", data("raw")), make_signer())
    assert sha("poisoned") not in impact(book.statements(), start("raw")).nodes


def test_run_that_ran_is_preferred_to_one_that_restored(book: Book) -> None:
    book.add(run("model", out_of("clean"), action=ProvenanceAction.RESTORED))
    origin = book.statements().origin(sha("model"))
    assert origin is not None
    assert origin.provenance.action is ProvenanceAction.RAN


def test_circle_of_equal_bytes_ends(book: Book) -> None:
    book.add(run("a", out_of("b"), stage="one"))
    book.add(run("b", out_of("a"), stage="two"))
    assert len(trace(book.statements(), Subject("a", {"sha256": sha("a")})).nodes) == 3
    assert {sha("a"), sha("b")} <= impact(book.statements(), start("a")).nodes.keys()


def test_copy_leads_to_no_other(book: Book) -> None:
    book.add(run("same", Material("input", {"sha256": sha("same")}, Role.CODE), stage="copy"))
    found = trace(book.statements(), Subject("same", {"sha256": sha("same")}))
    assert all(edge.source != edge.target for edge in found.edges.values())
    assert "the same bytes as input" in found.nodes[sha("same")].detail


def test_thousands_of_stages_in_a_row_are_followed(tmp_path: Path) -> None:
    book = Book(tmp_path)
    for number in range(1500):
        book.add(run(f"o{number + 1}", out_of(f"o{number}"), stage=f"s{number}"))
    found = trace(book.statements(), Subject("o1500", {"sha256": sha("o1500")}))
    assert [node.name for node in found.unproven] == ["o0"]


def test_local_file_is_said_to_be_in_no_commit(book: Book) -> None:
    local = Material("notes", {"sha256": sha("notes")}, Role.LOCAL)
    book.add(run("loose", local))
    found = trace(book.statements(), Subject("loose", {"sha256": sha("loose")}))
    assert found.nodes[sha("notes")].verdict is Verdict.WARNED


def listed(book: Book, files: list[ListedFile], name: str = "images") -> dict[str, str]:
    (listing,) = write_listing(name, files)
    book.ledger.append(book.signer.sign(listing.payload))
    return dict(listing.subjects[0].digest)


def test_file_leads_through_its_directory_in_both_directions(book: Book) -> None:
    files = [ListedFile("a.png", sha("a.png")), ListedFile("b.png", sha("b.png"))]
    directory = listed(book, files)
    book.add(run("images", data("zip"), stage="unpack", outs=(Subject("images", directory),)))
    book.add(run("net", Material("images", directory, Role.OUT), stage="fit"))
    back = trace(book.statements(), Subject("images/a.png", {"sha256": sha("a.png")}))
    assert sha("zip") in back.nodes
    assert back.unproven == []
    on = impact(book.statements(), start("b.png"))
    assert {identify(directory), sha("net")} <= on.nodes.keys()


def test_listing_of_other_files_is_no_way(book: Book) -> None:
    files = [ListedFile("a.png", sha("a.png"))]
    (listing,) = write_listing("images", files)
    forged = listing.payload.replace(sha("a.png").encode(), sha("evil").encode())
    book.ledger.append(book.signer.sign(forged))
    assert book.statements().directories_with(sha("evil")) == []
