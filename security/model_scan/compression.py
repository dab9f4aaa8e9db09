"""Compressed layers: unpacked in pieces, counted against a budget, and thrown away."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from security.model_scan.byte_stream import ByteContent, ByteStream, TruncatedError
from security.model_scan.limits import MEBI, ScanLimits
from security.model_scan.report import UnscannedError

_CHUNK = 1 << 18
_PIECE = 1 << 20
_LZMA_MEMORY = 256 * MEBI


class Budget:
    """What may still be unpacked, over all layers and members of one file."""

    def __init__(self, limits: ScanLimits, size: int) -> None:
        self._most = limits.unpacked
        self._ratio = limits.ratio
        self._bomb = max(limits.ratio_from, limits.ratio * size)
        self._unpacked = 0

    def spend(self, size: int) -> None:
        """Count bytes that came out of a layer.

        Raises:
            UnscannedError: too many in all, or too many for a file of this size.
        """
        self._unpacked += size
        if self._unpacked > self._bomb:
            raise UnscannedError(f"unpacks to more than {self._ratio} times its size: a bomb")
        if self._unpacked > self._most:
            raise UnscannedError(f"unpacks to more than {self._most} bytes")


class Decompressor(Protocol):
    """What bz2 and lzma offer, and zlib through `_Inflate`."""

    @property
    def eof(self) -> bool:
        """Whether the compressed stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing comes out before more goes in."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What came after the end."""
        ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Take packed bytes and return at most `max_length` unpacked ones."""
        ...


class _Inflate:
    """zlib with the interface of the other two."""

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
        """Unpack; what zlib did not take of the last bytes comes first."""
        piece = self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)
        self._full = len(piece) == max_length  # zlib may hold more than it has handed out
        return piece


DECOMPRESSORS: dict[str, Callable[[], Decompressor]] = {
    "deflate": lambda: _Inflate(-zlib.MAX_WBITS),
    "zlib": lambda: _Inflate(zlib.MAX_WBITS),
    "gzip": lambda: _Inflate(zlib.MAX_WBITS | 16),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _LZMA_MEMORY),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, _LZMA_MEMORY),
}


class Unpacked:
    """What one compressed stream holds; bytes after the stream's end are refused.

    A loader may or may not go on with a second compressed stream after the first. As nobody can say
    which, there must be none.
    """

    def __init__(self, packed: ByteStream, method: str, budget: Budget) -> None:
        self._packed = packed
        self._method = method
        self._decompressor = DECOMPRESSORS[method]()
        self._budget = budget

    def read(self, size: int) -> bytes:
        """Return at most `size` unpacked bytes.

        Raises:
            UnscannedError: damaged, truncated or followed by more bytes, or the budget is spent.
        """
        wanted = min(size, _PIECE)
        while True:
            try:
                piece = self._step(wanted)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
                raise UnscannedError(f"{self._method} data is damaged: {error}") from error
            if piece:
                self._budget.spend(len(piece))
                return piece
            if self._decompressor.eof:
                if self._decompressor.unused_data or not self._packed.at_end():
                    raise UnscannedError(f"bytes follow the end of the {self._method} data")
                return b""

    def _step(self, wanted: int) -> bytes:
        """Feed the decompressor once, unless it has ended."""
        if self._decompressor.eof:
            return b""
        data = b""
        if self._decompressor.needs_input:
            data = self._packed.read_some(_CHUNK)
            if not data:
                raise TruncatedError(f"{self._method} data is truncated")
        return self._decompressor.decompress(data, wanted)

    def skip(self, size: int) -> int:
        """Unpack and throw away."""
        return len(self.read(size))


@dataclass(frozen=True, slots=True)
class Compressed:
    """What a compressed content unpacks to."""

    packed: ByteContent
    method: str
    budget: Budget

    @property
    def size(self) -> None:
        """Nobody knows before it is unpacked."""
        return None

    def open(self) -> ByteStream:
        """Start at the first unpacked byte."""
        return ByteStream(Unpacked(self.packed.open(), self.method, self.budget))
