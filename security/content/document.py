"""The parser of all JSON and TOML from other programs, other repositories and people.

RFC 8259 does not define the meaning of a repeated key, and Python accepts numbers that JSON does
not have: two readers can see two documents under one signature. ``Field`` (``field.py``) reads the
values of a document, ``Table`` (``table.py``) those of settings that people write.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

from security.content.printable import printable
from security.errors import SecurityError

#: The default limit for the size of a document in bytes.
MOST_BYTES = 64 << 20
#: Dots and brackets in one line of TOML: ``tomllib`` needs quadratic time for them.
_MOST_DOTS = 200

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_Pairs = list[tuple[str, Any]]


class DocumentError(SecurityError, ValueError):
    """A document is malformed, or a value in it has the wrong type or range."""

    kind: ClassVar[str] = "document"


def parse_json(
    content: bytes,
    most_bytes: int = MOST_BYTES,
    *,
    byte_order_mark: bool = False,
    check_key: Callable[[str], None] | None = None,
) -> Any:
    """Parse one JSON value (RFC 8259). The steps, each with the attack that it stops:

    1. The size is limited: a document cannot exhaust the memory of its reader.
    2. The text is UTF-8 without a byte order mark, and one value: nothing hides after it.
    3. No key is repeated, at any depth: all readers see the same value.
    4. Numbers are finite: no NaN, no Infinity, no number beyond the range of a float.
    5. Nesting does not exhaust the stack.
    6. No string holds half of a surrogate pair, which could not be written again.

    Args:
        byte_order_mark: accept one at the start, as tools on Windows write it.
        check_key: called with each key; its exceptions propagate.

    Raises:
        DocumentError: a step fails.
    """
    _check_size(content, most_bytes)  # 1
    if content.startswith(_BYTE_ORDER_MARK):
        if not byte_order_mark:
            raise _malformed("byte order mark at the start")
        content = content.removeprefix(_BYTE_ORDER_MARK)
    try:
        decoder = _DECODER if check_key is None else _build_decoder(_checked_object(check_key))
        value = decoder.decode(content.decode("utf-8"))  # 2
        if _SURROGATE.search(content):  # 6: only an escape can write one
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise _malformed("half of a surrogate pair in a string") from error
    except RecursionError as error:  # 5
        raise _malformed("nested too deeply") from error
    except DocumentError:
        raise
    except ValueError as error:
        raise _malformed(f"not JSON: {error}") from error
    return value


def parse_toml(content: bytes, most_bytes: int) -> dict[str, Any]:
    """Parse a TOML document in UTF-8, with a limited size and limited dots and brackets per line.

    Raises:
        DocumentError: the document is malformed or exceeds a limit.
    """
    _check_size(content, most_bytes)
    if any(line.count(b".") + line.count(b"[") > _MOST_DOTS for line in content.splitlines()):
        raise _malformed(f"more than {_MOST_DOTS} dots and brackets in one line")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise _malformed("nested too deeply") from error
    except ValueError as error:  # malformed TOML or UTF-8, or an integer with too many digits
        raise _malformed(f"not TOML: {printable(str(error))}") from error


def write_json(value: Mapping[str, Any]) -> bytes:
    """Return an object as JSON: the same bytes for the same values in the same order."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def _check_size(content: bytes, most_bytes: int) -> None:
    if len(content) > most_bytes:
        raise _malformed(f"larger than {most_bytes} bytes")


def _malformed(what: str) -> DocumentError:
    return DocumentError(what, "correct the document, or write it again")


def _build_object(pairs: _Pairs) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):  # 3
        ((repeated, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise _malformed(f"duplicate key: {printable(repeated, 60)}")
    return values


def _checked_object(check_key: Callable[[str], None]) -> Callable[[_Pairs], dict[str, Any]]:
    def build(pairs: _Pairs) -> dict[str, Any]:
        for key, _ in pairs:
            check_key(key)
        return _build_object(pairs)

    return build


def _parse_float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_number(text)


def _refuse_number(text: str) -> NoReturn:
    raise _malformed(f"not a finite number: {printable(text, 40)}")


def _build_decoder(build: Callable[[_Pairs], dict[str, Any]]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=build, parse_constant=_refuse_number, parse_float=_parse_float  # 3, 4
    )


#: Built once: ``json.loads`` would build one for each document.
_DECODER = _build_decoder(_build_object)
