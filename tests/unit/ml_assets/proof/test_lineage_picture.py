"""The picture of a lineage: it reads from left to right, and nobody's name becomes a part of it."""

import itertools
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.proof.lineage.layout import GAP_X, WIDTH, place
from ml_assets.proof.lineage.picture import draw, write_picture
from ml_assets.proof.lineage.report import document
from resources.errors import ConfigurationError
from security.statements.provenance import Conditions, Material, Role
from security.statements.statement import Subject
from security.verdict import Verdict
from security.verify.lineage import Lineage, Node, impact, trace
from tests.unit.security.statements.statement_samples import Book, data, out_of, run, sha

MODEL = Subject("model", {"sha256": sha("model")})
SVG = "{http://www.w3.org/2000/svg}"
EVIL = "<script>alert(1)</script>"


def code(*names: str) -> list[Material]:
    return [Material(name, {"sha256": sha(name)}, Role.CODE) for name in names]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    book = Book(tmp_path)
    book.add(run("clean", data("raw"), *code("a.py", "b.py"), stage="prepare"))
    book.add(run("model", out_of("clean"), *code("b.py", "c.py", "d.py")))
    return book


def parse(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)  # nosec B314  # what we wrote


def boxes(picture: str) -> dict[str, tuple[float, str, str]]:
    """Left edge, colour and title of each box, by its first line."""
    found = {}
    for box in parse(picture).iter(f"{SVG}svg"):
        if box.get("viewBox") is None:
            first, title, shape = (box.find(f"{SVG}{n}") for n in ("text", "title", "rect"))
            assert first is not None and title is not None and shape is not None
            look = str(shape.get("stroke"))
            found[str(first.text)] = (float(box.get("x", "")), look, str(title.text))
    return found


def test_code_files_of_a_stage_are_one_box_with_their_names_in_its_title(book: Book) -> None:
    found = boxes(draw(trace(book.statements(), MODEL)))
    assert set(found) == {
        "raw",
        "2 code files",
        "prepare",
        "clean",
        "3 code files",
        "train",
        "model",
    }
    for name in ("b.py", "c.py", "d.py"):
        assert f"code: {name} sha256 {sha(name)[:12]}" in found["3 code files"][2]
    assert "a.py" not in found["3 code files"][2]


def test_only_the_picture_leaves_code_files_out(book: Book) -> None:
    nodes = document(trace(book.statements(), MODEL))["nodes"]
    assert isinstance(nodes, list)
    assert {"a.py", "b.py", "c.py", "d.py"} <= {node["name"] for node in nodes}


def test_single_code_file_has_its_name(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.add(run("model", *code("train.py")))
    assert "train.py" in boxes(draw(trace(book.statements(), MODEL)))


def test_everything_stands_right_of_what_it_was_made_from(book: Book) -> None:
    found = boxes(draw(trace(book.statements(), MODEL)))
    way = [found[one][0] for one in ("raw", "prepare", "clean", "train", "model")]
    assert way == sorted(set(way))
    assert found["3 code files"][0] == found["clean"][0]  # beside what is used with it


def test_what_is_not_proven_has_another_colour_and_a_sign(tmp_path: Path) -> None:
    book = Book(tmp_path)
    local = Material("notes", {"sha256": sha("notes")}, Role.LOCAL)
    book.add(run("model", out_of("lost"), data("raw"), local))
    picture = draw(trace(book.statements(), MODEL))
    found = boxes(picture)
    looks = [found[one][1] for one in ("raw", "notes", "lost")]
    assert len(set(looks)) == 3
    assert "no trusted provenance" in found["lost"][2]
    for meaning in ("proven", "not proven", "neither committed nor a dataset"):
        assert f">{meaning}</text>" in picture, "the legend"
    assert picture.count(">✗</text>") == 2  # the box, and the legend


def test_files_that_differed_from_the_commit_are_told(tmp_path: Path) -> None:
    book = Book(tmp_path)
    conditions = Conditions(confined=True, uncommitted=("train.py",))
    book.add(run("model", *code("train.py"), conditions=conditions))
    assert "uncommitted: train.py" in draw(trace(book.statements(), MODEL))


def test_what_was_asked_for_is_drawn_although_it_is_code(book: Book) -> None:
    start = Node(sha("b.py"), "code", "b.py", {"sha256": sha("b.py")})
    found = boxes(draw(impact(book.statements(), start), start.id))
    assert set(found) == {"b.py", "prepare", "clean", "train", "model"}


def test_stage_that_copies_makes_no_circle(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.add(run("model", data("raw"), stage="train"))
    same = (Subject("best", MODEL.digest), Subject("report", {"sha256": sha("report")}))
    book.add(run("model", out_of("model"), stage="choose", outs=same))
    start = Node(sha("raw"), "asked", "raw", {"sha256": sha("raw")})
    found = boxes(draw(impact(book.statements(), start), start.id))
    way = [x for _, (x, _, _) in sorted(found.items(), key=lambda one: one[1][0])]
    assert way == sorted(set(way)) and len(way) == 5


def test_alone_is_a_picture_too() -> None:
    node = Node("pkg:pypi/x", "package", "pkg:pypi/x", {})
    assert set(boxes(draw(Lineage({node.id: node}), node.id))) == {"pkg:pypi/x"}
    parse(draw(Lineage()))


# --- attacks


@pytest.mark.parametrize(
    "evil", [EVIL, '"><script>x</script>', "&lt;", "]]>", "a\nb\x00\x1b[31m\u202e"]
)
def test_name_is_text_and_nothing_else(tmp_path: Path, evil: str) -> None:
    book = Book(tmp_path)
    materials = [data(evil), *code(evil + "1", evil + "2"), *code("x")]
    book.add(run("model", *materials, stage=evil))
    found = trace(book.statements(), Subject(evil, MODEL.digest))
    tags = {element.tag for element in parse(draw(found)).iter()}
    assert tags <= {f"{SVG}{n}" for n in ("svg", "g", "title", "rect", "text", "path")}
    write_picture(found, sha("model"), tmp_path / "way.html")
    text = (tmp_path / "way.html").read_text()
    assert not re.search(r"<\s*script", text)
    assert not any(bad in text for bad in ("\x00", "\x1b", "\u202e"))


def test_name_of_any_length_stays_in_its_box(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.add(run("model", data("w" * 5000), *(data(str(n)) for n in range(3)), stage="s" * 5000))
    picture = draw(trace(book.statements(), MODEL))
    assert len(picture) < 20_000
    assert {"…" + "w" * 30, "…" + "s" * 30} <= set(boxes(picture))


@pytest.mark.parametrize("name", ["way.gif", "way", "way.svg.png"])
def test_other_kinds_of_pictures_are_an_error(tmp_path: Path, name: str) -> None:
    node = Node(sha("x"), "out", "x", {"sha256": sha("x")}, Verdict.PASSED)
    with pytest.raises(ConfigurationError, match="unsupported picture format"):
        write_picture(Lineage({node.id: node}), node.id, tmp_path / name)


# --- the layout


numbers = st.integers(0, 12)


@given(st.sets(st.tuples(numbers, numbers).filter(lambda one: one[0] != one[1]), max_size=40))
def test_boxes_never_touch_and_circles_end(pairs: set[tuple[int, int]]) -> None:
    heights = {str(n): 20.0 + n for n in range(13)}
    links = [(str(one), str(other)) for one, other in sorted(pairs)]
    layout = place(heights, links)
    assert set(layout.corners) == set(heights) and set(layout.ways) == set(links)
    for (one, (x, y)), (other, (x2, y2)) in itertools.combinations(layout.corners.items(), 2):
        assert x != x2 or y + heights[one] < y2 or y2 + heights[other] < y
    for one, (x, y) in layout.corners.items():
        assert x % (WIDTH + GAP_X) == 0 and 0 <= y
        assert x + WIDTH <= layout.width and y + heights[one] <= layout.height


@given(st.sets(st.tuples(numbers, numbers).filter(lambda one: one[0] < one[1]), max_size=40))
def test_lines_lead_to_the_right(pairs: set[tuple[int, int]]) -> None:
    links = [(str(one), str(other)) for one, other in sorted(pairs)]
    layout = place({str(n): 30.0 for n in range(13)}, links)
    for way in layout.ways.values():
        assert [x for x, _ in way] == sorted(x for x, _ in way)
