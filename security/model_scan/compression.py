"""Compressed layers: unpacked in pieces, counted against a budget, and discarded."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from security.model_scan.byte_stream import ByteContent, ByteStream, TruncatedError
from security.model_scan.limits import MEBI, ScanLimits
from security.model_scan.lz4_frame import Lz4Decompressor
from security.model_scan.report import UnscannedError

_CHUNK = 1 << 18
_PIECE = 1 << 20
_START = 1 << 12
_LZMA_MEMORY = 256 * MEBI


class SpentError(UnscannedError):
    """The file unpacks to more bytes than the budget has."""


class Budget:
    """The number of bytes that all layers and members of one file may unpack to."""

    def __init__(self, limits: ScanLimits, size: int) -> None:
        self._most = limits.unpacked
        self._ratio = limits.ratio
        self._bomb = max(limits.ratio_from, limits.ratio * size)
        self._unpacked = 0

    def spend(self, size: int) -> None:
        """Count the unpacked bytes of a layer.

        Raises:
            SpentError: the file exceeds the total limit or the ratio for its size.
        """
        self._unpacked += size
        if self._unpacked > self._bomb:
            raise SpentError(f"decompression bomb: more than {self._ratio} times its size")
        if self._unpacked > self._most:
            raise SpentError(f"unpacked size exceeds the limit: {self._most} bytes")


class Decompressor(Protocol):
    """The interface of the decompressors of bz2 and lzma, and of `_Inflate` for zlib."""

    @property
    def eof(self) -> bool:
        """Whether the compressed stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether it needs more packed bytes to return unpacked ones."""
        ...

    @property
    def unused_data(self) -> bytes:
        """The bytes after the end of the stream."""
        ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Take packed bytes and return at most `max_length` unpacked ones."""
        ...


class _Inflate:
    """zlib with the interface of bz2 and lzma."""

    def __init__(self, window_bits: int) -> None:
        self._inflate = zlib.decompressobj(window_bits)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail and not self._full

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Unpack the bytes that zlib has not consumed yet, then the new ones."""
        piece = self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)
        self._full = len(piece) == max_length  # zlib may hold more output
        return piece


DECOMPRESSORS: dict[str, Callable[[], Decompressor]] = {
    "deflate": lambda: _Inflate(-zlib.MAX_WBITS),
    "zlib": lambda: _Inflate(zlib.MAX_WBITS),
    "gzip": lambda: _Inflate(zlib.MAX_WBITS | 16),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _LZMA_MEMORY),
    "lz4": Lz4Decompressor,
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, _LZMA_MEMORY),
}


class Unpacked:
    """The unpacked bytes of one compressed stream.

    Bytes after the end are refused: some loaders read a second compressed stream there, others do
    not.
    """

    def __init__(self, packed: ByteStream, method: str, budget: Budget) -> None:
        self._packed = packed
        self._method = method
        self._decompressor = DECOMPRESSORS[method]()
        self._budget = budget
        self._given = 0

    def read(self, size: int) -> bytes:
        """Return at most `size` unpacked bytes.

        Raises:
            UnscannedError: the stream is damaged, truncated or followed by more bytes, or exceeds
                the budget.
        """
        wanted = min(size, _PIECE)
        while True:
            try:
                piece = self._step(wanted)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
                raise TruncatedError(f"damaged {self._method} data: {error}") from error
            if piece:
                self._budget.spend(len(piece))
                self._given += len(piece)
                return piece
            if self._decompressor.eof:
                if self._decompressor.unused_data or not self._packed.at_end():
                    # Loaders that go on may find the first bytes of their format only there.
                    message = f"bytes after the end of the {self._method} data"
                    raise UnscannedError(message, capable=self._given < _START)
                return b""

    def _step(self, wanted: int) -> bytes:
        """Run the decompressor once, unless its stream has ended."""
        if self._decompressor.eof:
            return b""
        data = b""
        if self._decompressor.needs_input:
            data = self._packed.read_some(_CHUNK)
            if not data:
                raise TruncatedError(f"truncated {self._method} data")
        return self._decompressor.decompress(data, wanted)

    def skip(self, size: int) -> int:
        """Unpack bytes, discard them and return their number."""
        return len(self.read(size))


@dataclass(frozen=True, slots=True)
class Compressed:
    """The unpacked content of a compressed layer."""

    packed: ByteContent
    method: str
    budget: Budget

    @property
    def size(self) -> None:
        """None: the size is unknown before unpacking."""
        return None

    def open(self) -> ByteStream:
        """Return a stream from the first unpacked byte."""
        return ByteStream(Unpacked(self.packed.open(), self.method, self.budget))
