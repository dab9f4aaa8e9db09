"""The one reader of outside documents, against documents that two readers would read apart."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from security.content.document import DocumentError, parse_json, parse_toml, write_json

ATTACKS = {
    "nothing": (b"", "not JSON"),
    "duplicate key": (b'{"a": 1, "a": 1}', "duplicate key: a"),
    "duplicate key at depth": (b'[{"x": [{"b": {"c": 1, "c": 2}}]}]', "duplicate key: c"),
    "duplicate key by an escape": (b'{"a": 1, "\\u0061": 2}', "duplicate key: a"),
    "duplicate key that would break the line": (b'{"\\n": 1, "\\n": 2}', r"duplicate key: \\n"),
    "duplicate empty key": (b'{"": 1, "": 2}', "duplicate key: "),
    "NaN": (b'{"a": NaN}', "not a finite number: NaN"),
    "Infinity": (b"[Infinity]", "not a finite number: Infinity"),
    "minus Infinity": (b"-Infinity", "not a finite number: -Infinity"),
    "float beyond all floats": (b"[1e999]", "not a finite number: 1e999"),
    "negative float beyond all floats": (b'{"a": [-1.5E+400]}', "not a finite number: -1.5E"),
    "integer of many digits": (b"[" + b"9" * 5000 + b"]", "not JSON: Exceeds the limit"),
    "deep lists": (b"[" * 100_000, "nested too deeply"),
    "deep objects": (b'{"a":' * 100_000, "nested too deeply"),
    "deep and closed": (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    "not UTF-8": (b'"\xff"', "not JSON: 'utf-8' codec"),
    "overlong UTF-8": (b'"\xc0\xaf"', "not JSON: 'utf-8' codec"),
    "surrogate in UTF-8": (b'"\xed\xa0\x80"', "not JSON: 'utf-8' codec"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "not JSON"),
    "UTF-16 without a mark": ('{"a": 1}'.encode("utf-16-le"), "not JSON"),
    "byte order mark": (b'\xef\xbb\xbf{"a": 1}', "byte order mark at the start"),
    "text behind": (b'{"a": 1} x', "not JSON: Extra data"),
    "second document behind": (b'{"a": 1}\n{"a": 2}', "not JSON: Extra data"),
    "NUL behind": (b'{"a": 1}\0', "not JSON: Extra data"),
    "comment": (b'{"a": 1 /* b */}', "not JSON"),
    "comma behind the last": (b'{"a": 1,}', "not JSON"),
    "single quotes": (b"{'a': 1}", "not JSON"),
    "leading zero": (b"[01]", "not JSON"),
    "plus": (b"[+1]", "not JSON"),
    "hexadecimal": (b"[0x1]", "not JSON"),
    "control character in a string": (b'"\n"', "not JSON: Invalid control character"),
    "unknown escape": (b'"\\x41"', "not JSON: Invalid .*escape"),
    "half of a surrogate pair": (b'"\\ud800"', "half of a surrogate pair"),
    "other half of a surrogate pair": (b'{"a": ["\\uDFFF"]}', "half of a surrogate pair"),
    "half of a surrogate pair as a key": (b'{"\\ud83d": 1}', "half of a surrogate pair"),
    "pair of surrogates in the wrong order": (b'"\\ude00\\ud83d"', "half of a surrogate pair"),
}

ACCEPTED = {
    "pair of surrogates": (b'"\\ud83d\\ude00"', "\U0001f600"),
    "escaped backslash before a u": (b'"\\\\ud800"', "\\ud800"),
    "equal keys of two objects": (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
    "one key inside of itself": (b'{"a": {"a": 1}}', {"a": {"a": 1}}),
    "largest float": (b"1.7976931348623157e308", 1.7976931348623157e308),
    "long integer": (b"9" * 400, int("9" * 400)),
    "space around": (b" \t\r\n[1]\n ", [1]),
    "value that is no object": (b"null", None),
}


@pytest.mark.parametrize(("content", "match"), ATTACKS.values(), ids=ATTACKS)
def test_document_that_two_readers_read_apart_is_refused(content: bytes, match: str) -> None:
    with pytest.raises(DocumentError, match=f"^{match}") as refused:
        parse_json(content)

    assert refused.value.hint and "\n" not in refused.value.message


@pytest.mark.parametrize(("content", "match"), ATTACKS.values(), ids=ATTACKS)
def test_attack_inside_of_a_list_is_refused_as_well(content: bytes, match: str) -> None:
    with pytest.raises(DocumentError):
        parse_json(b"[" + content + b", 1" + b"]")


@pytest.mark.parametrize(("content", "value"), ACCEPTED.values(), ids=ACCEPTED)
def test_document_that_all_readers_read_alike_is_accepted(content: bytes, value: object) -> None:
    assert parse_json(content) == value


def test_size_has_a_bound_and_the_largest_document_is_within_it() -> None:
    assert parse_json(b"[1, 2]", 6) == [1, 2]
    with pytest.raises(DocumentError, match="larger than 5 bytes"):
        parse_json(b"[1, 2]", 5)
    with pytest.raises(DocumentError, match="larger than 5 bytes"):
        parse_toml(b"a = 10", 5)


def test_one_byte_order_mark_is_accepted_where_its_reader_says_so() -> None:
    mark = b"\xef\xbb\xbf"
    assert parse_json(mark + b"[]", byte_order_mark=True) == []
    assert parse_json(b"[]", byte_order_mark=True) == []
    with pytest.raises(DocumentError):
        parse_json(mark + mark + b"[]", byte_order_mark=True)


def test_check_of_keys_sees_each_key_and_its_error_is_kept() -> None:
    seen: list[str] = []
    parse_json(b'{"a": [{"b": 1}], "c": {}}', check_key=seen.append)
    assert sorted(seen) == ["a", "b", "c"]

    def refuse(key: str) -> None:
        raise LookupError(key)

    with pytest.raises(LookupError, match="a"):
        parse_json(b'{"a": 1}', check_key=refuse)
    with pytest.raises(DocumentError, match="duplicate key: a"):
        parse_json(b'{"a": 1, "a": 1}', check_key=seen.append)


def test_duplicate_key_among_many_is_found_in_time_by_their_number() -> None:
    content = b"{" + b",".join(b'"%d":1' % number for number in range(200_000)) + b',"199999":1}'
    began = time.process_time()
    with pytest.raises(DocumentError, match="duplicate key: 199999"):
        parse_json(content)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"a = 1\na = 2", "not TOML"),
        (b"a = 1\n[a]", "not TOML"),
        (b"a = '\xff'", "not TOML"),
        (b"\xef\xbb\xbfa = 1", "not TOML"),
        (b"a = " + b"9" * 5000, "not TOML"),
        (b"a" + b".a" * 100_000 + b" = 1", "more than 200 dots and brackets in one line"),
        (b"a = " + b"[" * 100_000, "more than 200 dots and brackets in one line"),
        (b"a = " + b"[\n" * 100_000, "nested too deeply"),
        (b"a = {b = 1, b = 2}", "not TOML"),
        (b"a = 'x' y", "not TOML"),
    ],
)
def test_toml_that_is_malformed_or_keeps_its_reader_busy_is_refused(
    content: bytes, match: str
) -> None:
    with pytest.raises(DocumentError, match=match):
        parse_toml(content, 1 << 20)


def test_what_is_written_is_read_as_the_same_value() -> None:
    value = {"b": 'ä\n"', "a": [1, 1.5, None, True, {"": "\U0001f600"}]}
    content = write_json(value)

    assert parse_json(content) == value and content.isascii()
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": float("nan")})


def test_nothing_else_of_ours_sets_hooks_for_reading_json() -> None:
    root = Path(__file__).parents[4]
    readers = {
        path.relative_to(root).as_posix()
        for package in ("ml_assets", "resources", "security", "sensors")
        for path in (root / package).rglob("*.py")
        if any(word in path.read_text("utf-8") for word in ("object_pairs_hook", "parse_constant"))
    }
    # The scan of configuration judges each of the repeated keys; it takes no value for a fact.
    assert readers == {"security/content/document.py", "security/model_scan/config/document.py"}
