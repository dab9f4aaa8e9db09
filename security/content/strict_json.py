"""Strict JSON: one object, read in the one way in which every reader has to read it.

RFC 8259 leaves open what a key means that stands there twice, and Python takes numbers for JSON
that are none. Two readers who differ there see two documents under one signature.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

#: Bytes of the largest document that is read.
LARGEST = 64 << 20


def parse_object(text: bytes, largest: int = LARGEST) -> dict[str, Any]:
    """Parse one JSON object. The steps, each with what it stops:

    1. Its size has a bound: a document cannot eat the memory of who only wants to refuse it.
    2. It is UTF-8 without a byte order mark, and one object from end to end.
    3. No key stands there twice, at any depth: no reader sees another value.
    4. Numbers are numbers of JSON: no NaN, no Infinity.
    5. No text has half of a surrogate pair: it could not be written again.

    Args:
        largest: bytes that are read at most.

    Raises:
        ValueError: a step finds something else.
    """
    if len(text) > largest:  # 1
        raise ValueError(f"larger than {largest} bytes")
    try:
        value = json.loads(
            text.decode("utf-8"),  # 2
            object_pairs_hook=_refuse_twice,  # 3
            parse_constant=_refuse_constant,  # 4
        )
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")
    if b"\\u" in text:  # 5: only an escape can write one
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def write_object(value: Mapping[str, Any]) -> bytes:
    """Write an object, always the same bytes for the same values in the same order."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def fields(value: Any, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """Return an object's fields, none missing and none unknown.

    Raises:
        ValueError: it is no object, or a field is missing or unknown.
    """
    if not isinstance(value, dict):
        raise ValueError("not an object")
    missing = [name for name in required if name not in value]
    unknown = [name for name in value if name not in required and name not in optional]
    if missing or unknown:
        what = "missing" if missing else "unknown"
        raise ValueError(f"{what} field: {(missing or unknown)[0][:60]!a}")
    return value


def text(value: Any, *, empty: bool = False) -> str:
    """Return a text.

    Raises:
        ValueError: it is none, or an empty one where that says nothing.
    """
    if not isinstance(value, str) or not (value or empty):
        raise ValueError("not a text")
    return value


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands there twice")
    return values


def _refuse_constant(name: str) -> float:
    raise ValueError(f"not a number of JSON: {name}")
