"""Fields and tables: values that name their place in a complaint."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest

from security.content.document import DocumentError
from security.content.field import Field
from security.content.table import PolicyError, Table, load_policy


class Colour(Enum):
    """A closed set."""

    RED = "red"
    BLUE = "blue"


WRONG: dict[str, tuple[Any, Callable[[Field], object], str]] = {
    "missing": ({}, lambda f: f.get("a").get("b").text(), "a.b: missing"),
    "null": ({"a": None}, lambda f: f.get("a").text(), "a: missing"),
    "no object": ({"a": [1]}, lambda f: f.get("a").get("b"), "a: not an object: a list"),
    "document that is no object": ([], lambda f: f.get("a"), "not an object: a list"),
    "document that is null": (None, lambda f: f.get("a"), "not an object: null"),
    "item": ({"a": [{}, {"b": 1}]}, lambda f: [x.get("b").text() for x in f.get("a").items()], ""),
    "null item": ({"a": [None]}, lambda f: list(f.get("a").items()), r"a\[0\]: missing"),
    "no list": ({"a": {}}, lambda f: list(f.get("a").items()), "a: not a list: an object"),
    "no list of objects": ({"a": [3]}, lambda f: list(f.get("a").objects()), r"a\[0\]: not an obj"),
    "item behind the last": ({"a": [1]}, lambda f: f.get("a").at(1).text(), r"a\[1\]: missing"),
    "unknown key": ({"a": 1, "b": 2}, lambda f: f.only(("a",)), "b: unknown key"),
    "missing key": ({"a": 1}, lambda f: f.only(("a", "b")), "b: missing"),
    "null of a known key": ({"a": None}, lambda f: f.only(("a",)), "a: null"),
    "number as a text": ({"a": 1.10}, lambda f: f.get("a").text(), "a: not a string: 1.1"),
    "number in a list": ({"a": ["1", 1]}, lambda f: f.get("a").texts(), r"a\[1\]: not a string: 1"),
    "empty text": ({"a": ""}, lambda f: f.get("a").text(), "a: empty"),
    "two lines": ({"a": "b\nc"}, lambda f: f.get("a").line(), r"a: not one line of text: b\\nc"),
    "blank line": ({"a": "  "}, lambda f: f.get("a").line(), "a: not one line of text"),
    "text direction": (
        {"a": "b\u202ec"},
        lambda f: f.get("a").line(),
        r"not one line .*: b\\u202ec",
    ),
    "space around": ({"a": " b"}, lambda f: f.get("a").name(), "a: starts or ends with space"),
    "endless": ({"a": "b" * 513}, lambda f: f.get("a").name(), "a: longer than 512"),
    "control": ({"a": "b\x1bc"}, lambda f: f.get("a").name(), "a: contains a control character"),
    "space": ({"a": "b c"}, lambda f: f.get("a").identifier(), "a: contains a space"),
    "one for true": ({"a": 1}, lambda f: f.get("a").flag(), "a: not true or false: 1"),
    "true for one": ({"a": True}, lambda f: f.get("a").whole_number(0), "a: not a whole number"),
    "float for one": ({"a": 1.0}, lambda f: f.get("a").whole_number(0), "a: not a whole number"),
    "below": ({"a": -1}, lambda f: f.get("a").whole_number(0), "a: not a whole number from 0: -1"),
    "above": ({"a": 9}, lambda f: f.get("a").whole_number(0, 8), "from 0 to 8: 9"),
    "true for a number": ({"a": True}, lambda f: f.get("a").number(), "a: not a number: True"),
    "nan": ({"a": float("nan")}, lambda f: f.get("a").number(), "a: not a number: nan"),
    "infinity": ({"a": float("inf")}, lambda f: f.get("a").number(), "a: not a number: inf"),
    "digits": (
        {"a": 10**5000},
        lambda f: f.get("a").number(),
        "a: not a number: a number with too many",
    ),
    "choice": (
        {"a": "green"},
        lambda f: f.get("a").choice(Colour),
        "a: not one of red, blue: green",
    ),
    "no text": (
        {"a": ["red"]},
        lambda f: f.get("a").choice(Colour),
        "a: not one of red, blue: a l",
    ),
    "word": ({"a": "b"}, lambda f: f.get("a").one_of("c", default="c"), "a: not one of c: b"),
    "day": ({"a": "2026-02-30"}, lambda f: f.get("a").day(), "a: not a day"),
    "key with a line": ({"a\nb": 1}, lambda f: f.get("a\nb").text(), r"a\\nb: not a string"),
}


@pytest.mark.parametrize(("value", "read", "match"), WRONG.values(), ids=WRONG)
def test_value_of_another_kind_is_refused_with_its_place(
    value: Any, read: Callable[[Field], object], match: str
) -> None:
    with pytest.raises(DocumentError, match=match or r"a\[0\].b: missing") as refused:
        read(Field(value))

    assert "\n" not in refused.value.message


def test_value_of_its_kind_is_returned() -> None:
    field = Field({"a": ["x", ""], "b": "red", "c": "2026-12-31", "d": {"e": 2}, "f": False})

    assert field.get("a").texts() == ("x", "") and field.get("missing").texts() == ()
    assert field.get("b").choice(Colour) is Colour.RED
    assert field.get("c").day() == datetime.date(2026, 12, 31)
    assert field.get("d").only(("e",), ("g",)).get("e").whole_number(1, 2) == 2
    assert field.get("f").flag() is False and not field.get("d").get("g").exists
    assert field.get("d").get("g").optional_text() is None
    assert field.get("a").at(-1).value is None
    assert field.get("missing").one_of("c", default="c") == "c"


def test_errors_are_those_that_the_document_wants() -> None:
    def complain(place: str, what: str, hint: str) -> LookupError:
        return LookupError(place, what, hint)

    with pytest.raises(LookupError) as refused:
        Field({"a": [{"b": 1}]}, complain).get("a").at(0).get("b").text()

    assert refused.value.args == ("a[0].b", "not a string: 1", "write a string")


def test_key_that_was_not_read_is_unknown_and_the_known_ones_are_named() -> None:
    table = load_policy(b"a = 1\nb = 2\n[c]\nd = 'x'", "f.toml")

    assert table.number("a", 0) == 1 and table.table("c").line("d") == "x"
    with pytest.raises(PolicyError, match="f.toml: b: unknown key") as refused:
        table.refuse_unknown()
    assert refused.value.hint == "known keys: a, c"
    assert table.whole_number("b", 0, 0) == 2
    table.refuse_unknown()
    with pytest.raises(PolicyError, match="f.toml: c.d: unknown key"):
        table.table("c").refuse_unknown()


def test_value_where_a_table_belongs_is_refused() -> None:
    with pytest.raises(DocumentError, match="not a table: a list"):
        Table(Field([]))
    with pytest.raises(PolicyError, match="f: a: not a table: 1"):
        load_policy(b"a = 1", "f").table("a")
    with pytest.raises(PolicyError, match=r"f: a: not an array of tables: \[\[a\]\]"):
        load_policy(b"a = [1]", "f").list_of_tables("a")
