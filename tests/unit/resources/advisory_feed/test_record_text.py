"""The text of records: what JSON and YAML may hold, and what is made to harm."""

import pytest

from resources.advisory_feed.record_text import parse_record_text
from security.content.yaml_text import DEEPEST
from security.advisories.errors import MalformedAdvisoryError


def test_yaml_scalars_stay_text() -> None:
    text = b"""
id: PYSEC-1
modified: 2023-11-07T20:24:23.946863Z
withdrawn: null
versions: [1.10, "2.0", 1e3, yes, 0x10, ~]
details: '**x**
  folded'
"""
    assert parse_record_text(text, "a.yaml") == {
        "id": "PYSEC-1",
        "modified": "2023-11-07T20:24:23.946863Z",
        "withdrawn": None,
        "versions": ["1.10", "2.0", "1e3", "yes", "0x10", None],
        "details": "**x** folded",
    }


def test_quoted_null_is_text() -> None:
    assert parse_record_text(b"a: 'null'\nb: ''\nc:", "a.yml") == {"a": "null", "b": "", "c": None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: &x [1]\nb: *x", "alias not allowed"),
        (b"a: !!python/object/apply:os.system ['true']", "tag not allowed"),
        (b"a: !!binary aGk=", "tag not allowed"),
        (b"a: 1\na: 2", "duplicate key: a"),
        (b"a: 1\n---\nb: 2", "2 documents"),
        (b"", "0 documents"),
        (b"? [1]\n: 2", "key not text"),
        (b"a: [", "not YAML"),
        (b"a: \x00", "not YAML"),
        (b"\xff\xfe\xff", "not YAML"),
        (b"[" * 200_000, "nested too deeply"),
        (b"{a: " * 200_000, "nested too deeply"),
        (b"- " * (DEEPEST + 1) + b"x", "nested too deeply"),
        (
            b"a: &a [x]\nb: &b [*a,*a]\nc: &c [*b,*b]",
            "alias not allowed",
        ),
    ],
)
def test_hostile_yaml_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(MalformedAdvisoryError, match=message) as raised:
        parse_record_text(content, "x/a.yaml")
    assert raised.value.where == "x/a.yaml"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xff", "not JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b"[" + b"9" * 5000 + b"]", "not JSON"),
    ],
)
def test_hostile_json_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(MalformedAdvisoryError, match=message):
        parse_record_text(content, "a.json")
