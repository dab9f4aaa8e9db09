"""Nodes of a SARIF document: a JSON value and its place in it, so that a complaint can name it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from security.content.printable import printable
from security.gates.interface import GateError

_MOST_BYTES = 64 << 20


def unreadable(detail: str) -> GateError:
    """Return the complaint about a document."""
    hint = "see what the tool has written: it has to be SARIF 2.1.0"
    return GateError(f"unreadable SARIF: {printable(detail)}", hint)


@dataclass(frozen=True, slots=True)
class SarifNode:
    """A value; None where there is none, because optional properties may be left out."""

    value: object
    path: str = ""

    def wrong(self, what: str) -> GateError:
        """Return the complaint about this node."""
        return unreadable(f"{self.path or 'log'}: {what}")

    def get(self, key: str) -> SarifNode:
        """Return what is below a key of an object; of no object at all, nothing."""
        path = f"{self.path}.{key}" if self.path else key
        if self.value is None and self.path:
            return SarifNode(None, path)
        if not isinstance(self.value, dict):
            raise self.wrong("not an object")
        return SarifNode(self.value.get(key), path)

    def items(self) -> Iterator[SarifNode]:
        """Iterate over an array of objects; one that is missing is empty."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise self.wrong("not an array")
        for index, value in enumerate(self.value):
            item = SarifNode(value, f"{self.path}[{index}]")
            if not isinstance(value, dict):
                raise item.wrong("not an object")
            yield item

    def at(self, index: int | None) -> SarifNode:
        """Return one object of an array; none where it has no such place."""
        path = f"{self.path}[{index}]"
        if index is None or not isinstance(self.value, list) or not 0 <= index < len(self.value):
            return SarifNode(None, path)
        return SarifNode(self.value[index], path)

    def text(self) -> str | None:
        """Return a string, or None where there is none."""
        if self.value is not None and not isinstance(self.value, str):
            raise self.wrong("not a string")
        return self.value

    def name(self) -> str:
        """Return a string that has to be there and must not be empty."""
        text = self.text()
        if not text:
            raise self.wrong("missing or empty")
        return text

    def number(self, least: int) -> int | None:
        """Return a whole number, or None where there is none."""
        value = self.value
        if value is None:
            return None
        if type(value) is not int or value < least:
            raise self.wrong(f"not a whole number from {least}")
        return value

    def truth(self) -> bool:
        """Return a boolean that has to be there."""
        if not isinstance(self.value, bool):
            raise self.wrong("neither true nor false")
        return self.value

    def one_of(self, *choices: str, default: str) -> str:
        """Return a string that is one of some; the default where there is none."""
        text = self.text()
        if text is not None and text not in choices:
            raise self.wrong(f"not one of {', '.join(choices)}: {text[:40]}")
        return default if text is None else text


def parse_node(data: bytes) -> SarifNode:
    """Read a whole document.

    Raises:
        GateError: it is too large, not JSON in UTF-8, or has a key twice, of which two readers
            could take different ones.
    """
    if len(data) > _MOST_BYTES:
        raise unreadable(f"{len(data)} bytes")
    try:
        text = data.decode("utf-8-sig")
        return SarifNode(
            json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        )
    except (ValueError, RecursionError) as error:
        raise unreadable(str(error)) from error


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"not JSON: {name}")
