"""Reading forward through the bytes of a file, of a member, or of what a compressed layer holds.

A `ByteContent` can be opened more than once; each time it gives a `ByteStream` from its first byte.
Stored bytes are read by position and skipped without being read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Protocol

from security.model_scan.report import UnscannedError

_CHUNK = 1 << 18


class TruncatedError(UnscannedError):
    """The bytes end before what they announce."""


class ByteSource(Protocol):
    """Bytes that come one after another."""

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end only."""
        ...

    def skip(self, size: int) -> int:
        """Pass over at most `size` bytes and return how many."""
        ...


class ByteContent(Protocol):
    """Bytes that can be read from the first one as often as needed."""

    @property
    def size(self) -> int | None:
        """The number of bytes, where it is known without reading them."""
        ...

    def open(self) -> ByteStream:
        """Start at the first byte."""
        ...


class Window:
    """A range of an open file, read by position."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor = descriptor
        self._next = start
        self._end = start + size

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes of the range."""
        chunk = os.pread(self._descriptor, min(size, self._end - self._next), self._next)
        self._next += len(chunk)
        return chunk

    def skip(self, size: int) -> int:
        """Move on without reading."""
        passed = min(size, self._end - self._next)
        self._next += passed
        return passed


class ByteStream:
    """Forward reading with a look at what comes next, from any source."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._buffer = b""
        self._taken = 0  # of the buffer
        self._before = 0  # bytes of the source that came before the buffer

    @property
    def position(self) -> int:
        """The number of bytes read or skipped so far."""
        return self._before + self._taken

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes, which the caller has found to be few.

        Raises:
            TruncatedError: there are fewer.
        """
        end = self._taken + size
        if end > len(self._buffer):
            self._fill(size)
            end = self._taken + size
        piece = self._buffer[self._taken : end]
        self._taken = end
        return piece

    def read_byte(self) -> int:
        """Return the next byte.

        Raises:
            TruncatedError: there is none.
        """
        taken = self._taken
        if taken >= len(self._buffer):
            return self.read(1)[0]
        self._taken = taken + 1
        return self._buffer[taken]

    def read_some(self, size: int) -> bytes:
        """Return at least one and at most `size` bytes; none at the end only."""
        if self._taken == len(self._buffer):
            self._refill(size)
        piece = self._buffer[self._taken : self._taken + size]
        self._taken += len(piece)
        return piece

    def read_line(self, limit: int) -> bytes | None:
        """Return the bytes up to a newline, which is passed over; None if they exceed the limit.

        Raises:
            TruncatedError: no newline comes.
        """
        kept: list[bytes] | None = []
        length = 0
        while True:
            end = self._buffer.find(b"\n", self._taken)
            piece = self._buffer[self._taken : end if end >= 0 else len(self._buffer)]
            length += len(piece)
            if kept is not None:
                kept.append(piece)
                kept = kept if length <= limit else None
            if end >= 0:
                self._taken = end + 1
                return None if kept is None else b"".join(kept)
            self._taken = len(self._buffer)
            if not self._refill(_CHUNK):
                raise TruncatedError("the bytes end in the middle of a line")

    def skip(self, size: int) -> None:
        """Pass over exactly `size` bytes.

        Raises:
            TruncatedError: there are fewer.
        """
        held = min(size, len(self._buffer) - self._taken)
        self._taken += held
        left = size - held
        if left:
            self._before += self._taken
            self._buffer, self._taken = b"", 0
        while left:
            passed = self._source.skip(left)
            if not passed:
                raise TruncatedError("the bytes end before what they announce")
            self._before += passed
            left -= passed

    def peek(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end, and stay where we are."""
        while len(self._buffer) - self._taken < size and self._extend():
            pass
        return self._buffer[self._taken : self._taken + size]

    def at_end(self) -> bool:
        """Say whether nothing is left."""
        return not self.peek(1)

    def _refill(self, size: int) -> bool:
        """Replace a buffer that was taken whole."""
        self._before += self._taken
        self._taken = 0
        self._buffer = self._source.read(max(size, _CHUNK))
        return bool(self._buffer)

    def _extend(self) -> bool:
        """Read more behind what the buffer still holds."""
        more = self._source.read(_CHUNK)
        self._before += self._taken
        self._buffer, self._taken = self._buffer[self._taken :] + more, 0
        return bool(more)

    def _fill(self, size: int) -> None:
        """Have at least `size` bytes in the buffer."""
        while len(self._buffer) - self._taken < size:
            if not self._extend():
                raise TruncatedError("the bytes end before what they announce")


@dataclass(frozen=True, slots=True)
class Stored:
    """A range of an open file."""

    descriptor: int
    start: int
    size: int

    def open(self) -> ByteStream:
        """Start at the first byte of the range."""
        return ByteStream(Window(self.descriptor, self.start, self.size))
