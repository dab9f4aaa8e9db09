"""A strict parser of Protocol Buffers messages with fields by number.

Specification: *Protocol Buffers, Encoding*. The parser supports varints and length-delimited
fields, and refuses other wire types.
"""

from __future__ import annotations

from collections.abc import Collection

_LONGEST = 10  # bytes of a number of 64 bits
_NUMBER, _BYTES = 0, 2


class Message:
    """A message with known fields.

    Args:
        content: the encoded message.
        single: numbers of the fields that may occur once.
        repeated: numbers of the fields that may occur several times.

    Raises:
        ValueError: the message is malformed, or has an unknown field, or repeats a single one:
            readers differ in the value that they use.
    """

    def __init__(
        self, content: bytes, single: Collection[int], repeated: Collection[int] = ()
    ) -> None:
        self._values: dict[int, list[int | bytes]] = {}
        at = 0
        while at < len(content):
            key, at = _read_number(content, at)
            value: int | bytes
            value, end = _read_number(content, at)
            if key & 7 == _BYTES:
                start, end = end, end + value
                value = content[start:end]
            elif key & 7 != _NUMBER:
                raise ValueError(f"unsupported wire type: {key & 7}")
            at = end
            known = self._values.setdefault(key >> 3, [])
            known.append(value)
            if key >> 3 not in repeated and (key >> 3 not in single or len(known) > 1):
                raise ValueError(f"unknown or repeated field: {key >> 3}")
        if at != len(content):
            raise ValueError("truncated in the middle of a field")

    def number(self, field: int) -> int:
        """Return a number; 0 if the field is missing."""
        (value,) = self._values.get(field, [0])
        if not isinstance(value, int):
            raise ValueError(f"field is not a number: {field}")
        return value

    def octets(self, field: int) -> bytes:
        """Return bytes; empty if the field is missing."""
        (value,) = self.all_octets(field) or [b""]
        return value

    def all_octets(self, field: int) -> list[bytes]:
        """Return the bytes of a repeated field."""
        values = self._values.get(field, [])
        found = [value for value in values if isinstance(value, bytes)]
        if len(found) != len(values):
            raise ValueError(f"field is not length-delimited: {field}")
        return found

    def text(self, field: int) -> str:
        """Return a text; empty if the field is missing."""
        return self.octets(field).decode("utf-8")


def _read_number(content: bytes, at: int) -> tuple[int, int]:
    """Return a number (varint) of at most 64 bits, and the offset after it."""
    value = 0
    for index, byte in enumerate(content[at : at + _LONGEST]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, at + index + 1
    raise ValueError("varint is truncated or longer than 64 bits")
