"""Forward reading of a file, an archive member or a compressed layer.

A `ByteContent` can be opened repeatedly and returns a `ByteStream` from its first byte each time.
Stored bytes are read by position; skipping them reads nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Protocol

from security.model_scan.report import UnscannedError

_CHUNK = 1 << 18


class TruncatedError(UnscannedError):
    """The bytes end before their announced length."""


class ByteSource(Protocol):
    """A sequence of bytes that can be read once, forward."""

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none only at the end."""
        ...

    def skip(self, size: int) -> int:
        """Skip at most `size` bytes and return their number."""
        ...


class ByteContent(Protocol):
    """Bytes that can be read from the first one repeatedly."""

    @property
    def size(self) -> int | None:
        """The number of bytes; None if it is unknown before reading."""
        ...

    def open(self) -> ByteStream:
        """Return a stream from the first byte."""
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
        """Skip at most `size` bytes without reading them and return their number."""
        passed = min(size, self._end - self._next)
        self._next += passed
        return passed


class ByteStream:
    """A forward reader of a source that can peek at the next bytes."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._buffer = b""
        self._taken = 0  # consumed bytes of the buffer
        self._before = 0  # bytes of the source before the buffer

    @property
    def position(self) -> int:
        """The number of bytes read or skipped so far."""
        return self._before + self._taken

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes; the caller limits the size.

        Raises:
            TruncatedError: fewer are left.
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
            TruncatedError: no byte is left.
        """
        taken = self._taken
        if taken >= len(self._buffer):
            return self.read(1)[0]
        self._taken = taken + 1
        return self._buffer[taken]

    def read_some(self, size: int) -> bytes:
        """Return at least one and at most `size` bytes; none only at the end."""
        if self._taken == len(self._buffer):
            self._refill(size)
        piece = self._buffer[self._taken : self._taken + size]
        self._taken += len(piece)
        return piece

    def read_line(self, limit: int) -> bytes | None:
        """Return the bytes before the next newline and skip it; None if they exceed the limit.

        Raises:
            TruncatedError: no newline follows.
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
                raise TruncatedError("truncated in the middle of a line")

    def skip(self, size: int) -> None:
        """Skip exactly `size` bytes.

        Raises:
            TruncatedError: fewer are left.
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
                raise TruncatedError("truncated: the bytes end before the announced length")
            self._before += passed
            left -= passed

    def peek(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end, without consuming them."""
        while len(self._buffer) - self._taken < size and self._extend():
            pass
        return self._buffer[self._taken : self._taken + size]

    def at_end(self) -> bool:
        """Say whether no bytes are left."""
        return not self.peek(1)

    def _refill(self, size: int) -> bool:
        """Replace a consumed buffer."""
        self._before += self._taken
        self._taken = 0
        self._buffer = self._source.read(max(size, _CHUNK))
        return bool(self._buffer)

    def _extend(self) -> bool:
        """Read more bytes and append them to the rest of the buffer."""
        more = self._source.read(_CHUNK)
        self._before += self._taken
        self._buffer, self._taken = self._buffer[self._taken :] + more, 0
        return bool(more)

    def _fill(self, size: int) -> None:
        """Read until the buffer holds at least `size` bytes."""
        while len(self._buffer) - self._taken < size:
            if not self._extend():
                raise TruncatedError("truncated: the bytes end before the announced length")


@dataclass(frozen=True, slots=True)
class Stored:
    """A range of an open file."""

    descriptor: int
    start: int
    size: int

    def open(self) -> ByteStream:
        """Return a stream from the first byte of the range."""
        return ByteStream(Window(self.descriptor, self.start, self.size))
