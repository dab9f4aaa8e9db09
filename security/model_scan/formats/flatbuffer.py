"""FlatBuffers: tables whose fields are found by offset, each inside the file.

Follows the description of the binary format: a table starts with the distance to its vtable, which
has the place of each field; vectors and texts start with their length.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Iterator

from security.model_scan.formats.positions import Positions
from security.model_scan.report import UnscannedError

_MOST_FIELDS = 256


class FlatTable:
    """One table; a field that it does not have is None or 0."""

    def __init__(self, file: Positions, base: int, offset: int) -> None:
        """Read the places of the fields.

        Args:
            base: where the buffer starts in the file; fields are inside the buffer.
        """
        self._file = file
        self._base = base
        self._offset = offset
        vtable = offset - file.unpack("<i", offset)[0]
        if vtable < base or offset < base:
            raise UnscannedError(f"{file.name} file with a table outside its buffer")
        size, self._size = file.unpack("<HH", vtable)
        count = (size - 4) // 2
        if size < 4 or size % 2 or count > _MOST_FIELDS or self._size < 4:
            raise UnscannedError(f"{file.name} file with a damaged table")
        file.check(offset, self._size)
        self._places = file.unpack(f"<{count}H", vtable + 4)

    def _place(self, field: int, width: int) -> int | None:
        """Return where a field is; None if the table does not have it."""
        place = self._places[field] if field < len(self._places) else 0
        if place == 0:
            return None
        if place < 4 or place + width > self._size:
            raise UnscannedError(f"{self._file.name} file with a field outside its table")
        return self._offset + place

    def number(self, field: int, width: int) -> int:
        """Return an unsigned number; 0 if it is missing."""
        place = self._place(field, width)
        return 0 if place is None else self._file.number(place, width)

    def _target(self, field: int) -> int | None:
        """Return where the value of a field that is an offset starts."""
        place = self._place(field, 4)
        return None if place is None else place + self._file.number(place, 4)

    def table(self, field: int) -> FlatTable | None:
        """Return a table inside this one."""
        target = self._target(field)
        return None if target is None else FlatTable(self._file, self._base, target)

    def tables(self, field: int) -> Iterator[FlatTable]:
        """Yield the tables of a vector."""
        target = self._target(field)
        if target is None:
            return
        for index in range(self._length(target, 4)):
            place = target + 4 + 4 * index
            yield FlatTable(self._file, self._base, place + self._file.number(place, 4))

    def vector(self, field: int, width: int) -> tuple[int, int]:
        """Return where the items of a vector start, and their number."""
        target = self._target(field)
        return (0, 0) if target is None else (target + 4, self._length(target, width))

    def numbers(self, field: int, code: str) -> array.array[int]:
        """Return a vector of numbers, with a type code of `array`."""
        values = array.array(code)
        start, count = self.vector(field, values.itemsize)
        values.frombytes(self._file.read(start, count * values.itemsize))
        if sys.byteorder == "big":
            values.byteswap()
        return values

    def text(self, field: int) -> str:
        """Return a text; empty if it is missing."""
        start, length = self.vector(field, 1)
        return self._file.read(start, length).decode("utf-8", "backslashreplace")

    def _length(self, target: int, width: int) -> int:
        """Return the length of a vector, which is inside the file."""
        length = self._file.number(target, 4)
        self._file.check(target + 4, length * width)
        return length


def open_root(file: Positions, base: int) -> FlatTable:
    """Return the root table of a buffer that starts at `base`."""
    return FlatTable(file, base, base + file.number(base, 4))
