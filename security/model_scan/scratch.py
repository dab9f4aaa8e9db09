"""Scratch memory for archives inside archives: unpacked bytes that can be read by position.

Memory without a file name, of a fixed size: a restricted process can neither write nor grow a file,
but it can fill memory that was mapped before.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from security.model_scan.byte_stream import ByteStream, Stored
from security.model_scan.report import UnscannedError

_CHUNK = 1 << 18


@dataclass
class Scratch:
    """Scratch memory; the operating system provides a page when it is first used.

    Attributes:
        size: in bytes.
        used: bytes at the start that hold content.
    """

    size: int
    used: int = field(default=0, init=False)

    @cached_property
    def descriptor(self) -> int:
        """The open file behind the memory."""
        descriptor = os.memfd_create("scratch", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, self.size)
        return descriptor

    @cached_property
    def _memory(self) -> mmap.mmap:
        return mmap.mmap(self.descriptor, self.size)

    def prepare(self) -> None:
        """Map the memory now: a restricted process cannot."""
        _ = self._memory

    def close(self) -> None:
        """Give the memory back, if it was used."""
        if "_memory" in self.__dict__:
            self._memory.close()
        if "descriptor" in self.__dict__:
            os.close(self.descriptor)

    @contextmanager
    def hold(self, stream: ByteStream, size: int | None = None) -> Iterator[Stored]:
        """Copy the next bytes of a stream, up to its end without a size; release them at the end.

        Raises:
            UnscannedError: they do not fit, or the stream ends early.
        """
        start = self.used
        try:
            end = self._fill(stream, size)
            yield Stored(self.descriptor, start, end - start)
        finally:
            self.used = start

    def _fill(self, stream: ByteStream, size: int | None) -> int:
        """Copy bytes behind those in use; return the end."""
        left = size
        while left is None or left:
            piece = stream.read_some(_CHUNK if left is None else min(left, _CHUNK))
            if not piece and left is None:
                break
            if not piece:
                raise UnscannedError("truncated: the bytes end before the announced length")
            if self.used + len(piece) > self.size:
                message = f"archive inside an archive is larger than {self.size} bytes unpacked"
                raise UnscannedError(message, capable=True)
            self._memory[self.used : self.used + len(piece)] = piece
            self.used += len(piece)
            left = None if left is None else left - len(piece)
        return self.used
