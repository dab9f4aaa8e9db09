"""Bytes at given positions of a file, for formats that refer to their parts by offset."""

from __future__ import annotations

import os
import struct
from typing import Any

from security.model_scan.byte_stream import ByteContent, Stored
from security.model_scan.report import UnscannedError


class Positions:
    """A file whose parts are read by offset, each within the file.

    Attributes:
        name: of the format, for messages.
        size: of the file in bytes.
        left: how many bytes may still be read, so that parts that repeat each other end.
    """

    def __init__(self, content: ByteContent, name: str) -> None:
        if not isinstance(content, Stored):
            raise UnscannedError(f"{name} file inside a compressed layer")
        self._content = content
        self.name = name
        self.size = content.size
        self.left = 4 * content.size + (1 << 20)

    def check(self, offset: int, size: int) -> None:
        """Check that a range is inside the file.

        Raises:
            UnscannedError: it is not.
        """
        if offset < 0 or size < 0 or offset + size > self.size:
            raise UnscannedError(f"{self.name} file refers to bytes outside the file")

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes of a range.

        Raises:
            UnscannedError: it is outside the file, or more was read than a real file needs.
        """
        self.check(offset, size)
        self.left -= size + 1
        if self.left < 0:
            raise UnscannedError(f"{self.name} file whose parts refer to each other too often")
        return os.pread(self._content.descriptor, size, self._content.start + offset)

    def number(self, offset: int, width: int) -> int:
        """Return an unsigned number of 1, 2, 4 or 8 bytes."""
        return int.from_bytes(self.read(offset, width), "little")

    def unpack(self, code: str, offset: int) -> tuple[Any, ...]:
        """Return values in the format of `struct`."""
        return struct.unpack(code, self.read(offset, struct.calcsize(code)))
