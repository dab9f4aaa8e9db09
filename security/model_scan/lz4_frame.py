"""LZ4 frames, unpacked block by block with the interface of bz2's decompressor.

Follows doc/lz4_Frame_format.md and doc/lz4_Block_format.md of LZ4 1.6. Checksums are skipped: a
loader that checks them stops, and one that does not reads the same bytes.
"""

from __future__ import annotations

MAGIC = b"\x04\x22\x4d\x18"
_VERSION, _UNLINKED, _BLOCK_SUM, _SIZED, _CONTENT_SUM, _DICTIONARY = (
    0xC0,
    0x20,
    0x10,
    0x08,
    0x04,
    0x01,
)
_BLOCK_SIZES = {4: 1 << 16, 5: 1 << 18, 6: 1 << 20, 7: 1 << 22}
_STORED = 1 << 31
_WINDOW = 1 << 16
_SHORTEST_COPY = 4


class Lz4Decompressor:
    """A reader of one frame."""

    def __init__(self) -> None:
        self._packed = b""
        self._ready = b""
        self._history = b""
        self._flags: int | None = None
        self._most = 0
        self._ended = False
        self._starved = True

    @property
    def eof(self) -> bool:
        """Whether the frame has ended and all of it was returned."""
        return self._ended and not self._ready

    @property
    def needs_input(self) -> bool:
        """Whether it needs more packed bytes to return unpacked ones."""
        return not self._ready and not self._ended and self._starved

    @property
    def unused_data(self) -> bytes:
        """The bytes after the end of the frame."""
        return self._packed if self._ended else b""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Take packed bytes and return at most `max_length` unpacked ones.

        Raises:
            ValueError: the frame is damaged.
        """
        self._packed += data
        self._starved = False
        while not self._ready and not self._ended and not self._starved:
            self._starved = not self._step()
        most = len(self._ready) if max_length < 0 else max_length
        piece, self._ready = self._ready[:most], self._ready[most:]
        return piece

    def _step(self) -> bool:
        """Read the header or one block; say whether enough bytes were there."""
        if self._flags is None:
            return self._read_header()
        if len(self._packed) < 4:
            return False
        size = int.from_bytes(self._packed[:4], "little")
        if size == 0:
            return self._read_end(self._flags)
        stored, size = bool(size & _STORED), size & ~_STORED
        end = 4 + size + (4 if self._flags & _BLOCK_SUM else 0)
        if size > self._most:
            raise ValueError("block larger than announced")
        if len(self._packed) < end:
            return False
        block, self._packed = self._packed[4 : 4 + size], self._packed[end:]
        self._ready = block if stored else unpack_block(block, self._history, self._most)
        if not self._flags & _UNLINKED:
            self._history = (self._history + self._ready)[-_WINDOW:]
        return True

    def _read_header(self) -> bool:
        """Read the descriptor of the frame."""
        if len(self._packed) < 7:
            return False
        flags, block = self._packed[4], self._packed[5]
        size = 7 + (8 if flags & _SIZED else 0)
        if flags & _VERSION != 0x40 or flags & _DICTIONARY or block >> 4 not in _BLOCK_SIZES:
            raise ValueError("frame of an unknown version, or with a dictionary")
        if len(self._packed) < size:
            return False
        self._flags, self._most = flags, _BLOCK_SIZES[block >> 4]
        self._packed = self._packed[size:]
        return True

    def _read_end(self, flags: int) -> bool:
        """Read the mark at the end, and the checksum after it."""
        end = 4 + (4 if flags & _CONTENT_SUM else 0)
        if len(self._packed) < end:
            return False
        self._packed, self._ended = self._packed[end:], True
        return True


def unpack_block(block: bytes, history: bytes, most: int) -> bytes:
    """Unpack a block: literals, and copies of what came before.

    Raises:
        ValueError: the block is damaged, or longer than `most` bytes.
    """
    made = bytearray(history)
    limit, position, end = len(history) + most, 0, len(block)
    while position < end:
        token = block[position]
        length, position = _read_length(block, token >> 4, position + 1)
        if position + length > end or len(made) + length > limit:
            raise ValueError("literals beyond the block")
        made += block[position : position + length]
        position += length
        if position == end:
            break
        offset = int.from_bytes(block[position : position + 2], "little")
        if position + 2 > end or not 0 < offset <= len(made):
            raise ValueError("copy from before the start")
        length, position = _read_length(block, token & 15, position + 2)
        length += _SHORTEST_COPY
        if len(made) + length > limit:
            raise ValueError("copy beyond the block")
        start = len(made) - offset
        piece = bytes(made[start : start + length])
        made += (piece * (length // offset + 1))[:length] if offset < length else piece
    return bytes(made[len(history) :])


def _read_length(block: bytes, length: int, position: int) -> tuple[int, int]:
    """Read the further bytes of a length of 15 and more."""
    if length == 15:
        while True:
            if position >= len(block):
                raise ValueError("length beyond the block")
            more = block[position]
            position += 1
            length += more
            if more != 255:
                break
    return length, position
