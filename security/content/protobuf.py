"""The Protocol Buffers message: its fields by number, read in the one way that there is.

Specification: *Protocol Buffers, Encoding*. Fields of other kinds than numbers and bytes are
refused: nothing that is read here has any.
"""

from __future__ import annotations

from collections.abc import Collection

_LONGEST = 10  # bytes of a number of 64 bits
_NUMBER, _BYTES = 0, 2


class Message:
    """A message whose fields are known.

    Args:
        content: its bytes.
        single: the numbers of the fields that it may have once.
        repeated: of those that it may have more often.

    Raises:
        ValueError: it is none, has another field, or one twice: readers differ in which they take.
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
                raise ValueError(f"a field of an unknown kind: {key & 7}")
            at = end
            known = self._values.setdefault(key >> 3, [])
            known.append(value)
            if key >> 3 not in repeated and (key >> 3 not in single or len(known) > 1):
                raise ValueError(f"a field that is unknown or there twice: {key >> 3}")
        if at != len(content):
            raise ValueError("it ends in the middle of a field")

    def number(self, field: int) -> int:
        """Return a number; what is not there is 0."""
        (value,) = self._values.get(field, [0])
        if not isinstance(value, int):
            raise ValueError(f"a field that is no number: {field}")
        return value

    def octets(self, field: int) -> bytes:
        """Return bytes; what is not there is empty."""
        (value,) = self.all_octets(field) or [b""]
        return value

    def all_octets(self, field: int) -> list[bytes]:
        """Return the bytes of a repeated field."""
        values = self._values.get(field, [])
        found = [value for value in values if isinstance(value, bytes)]
        if len(found) != len(values):
            raise ValueError(f"a field that is no bytes: {field}")
        return found

    def text(self, field: int) -> str:
        """Return a text; what is not there is empty."""
        return self.octets(field).decode("utf-8")


def _read_number(content: bytes, at: int) -> tuple[int, int]:
    """Read a number (varint) of at most 64 bits; return it with where the next thing starts."""
    value = 0
    for index, byte in enumerate(content[at : at + _LONGEST]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, at + index + 1
    raise ValueError("not a number of 64 bits")
