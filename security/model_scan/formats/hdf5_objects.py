"""The objects of an HDF5 file: headers, messages, links and indexes, each inside the file.

Follows the HDF5 File Format Specification, version 3.0: object headers (IV.A), messages (IV.A.2),
B-trees (III.A.1), symbol tables (III.B, III.C) and heaps (III.D, III.E).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from security.model_scan.formats.positions import Positions
from security.model_scan.report import UnscannedError

UNDEFINED = (1 << 64) - 1
CONTINUATION = 0x10
_MOST_MESSAGES = 100_000
_MOST_BLOCKS = 1_000
_DEEPEST_TREE = 16
_GROUP_NODE, _CHUNK_NODE = 0, 1
_LONGEST_NAME = 4096


@dataclass(frozen=True, slots=True)
class HeaderMessage:
    """A message of an object header: its type, its flags, and where its data is."""

    kind: int
    flags: int
    offset: int
    size: int


def read_messages(file: Positions, address: int) -> Iterator[HeaderMessage]:
    """Yield the messages of an object header, in all of its blocks.

    Raises:
        UnscannedError: the header is damaged, or its blocks repeat each other.
    """
    newer = file.read(address, 4) == b"OHDR"
    blocks, tracked = _open_header(file, address) if newer else (_open_old(file, address), False)
    seen = 0
    for number, (start, size) in enumerate(blocks):
        if number > _MOST_BLOCKS:
            raise UnscannedError("HDF5 object with too many blocks")
        for message in _read_block(file, start, size, newer, tracked):
            seen += 1
            if seen > _MOST_MESSAGES:
                raise UnscannedError("HDF5 object with too many messages")
            if message.kind == CONTINUATION:
                where, length = file.unpack("<QQ", message.offset)
                frame = 4 if newer else 0  # a signature before and a checksum after
                blocks.append((where + frame, length - 2 * frame))
            yield message


def _open_old(file: Positions, address: int) -> list[tuple[int, int]]:
    """Return the first block of a header of version 1."""
    version, _, _, _, size = file.unpack("<BBHII", address)
    if version != 1:
        raise UnscannedError("HDF5 object of an unknown version")
    return [(address + 16, size)]


def _open_header(file: Positions, address: int) -> tuple[list[tuple[int, int]], bool]:
    """Return the first block of a header of version 2, and whether it tracks an order."""
    version, flags = file.unpack("<BB", address + 4)
    if version != 2:
        raise UnscannedError("HDF5 object of an unknown version")
    start = address + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    return [(start + width, file.number(start, width))], bool(flags & 4)


def _read_block(
    file: Positions, start: int, size: int, newer: bool, tracked: bool
) -> Iterator[HeaderMessage]:
    """Yield the messages of one block."""
    file.check(start, size)
    head = (6 if tracked else 4) if newer else 8
    end = start + size
    while start + head <= end:
        kind, length, flags = file.unpack("<BHB" if newer else "<HHB", start)
        if start + head + length > end:
            raise UnscannedError("HDF5 message longer than its block")
        yield HeaderMessage(kind, flags, start + head, length)
        start += head + length


def read_group(file: Positions, tree: int, heap: int) -> Iterator[tuple[str, int]]:
    """Yield the name and the address of each object of an old group; soft links are none.

    Raises:
        UnscannedError: the group is damaged.
    """
    if file.read(heap, 4) != b"HEAP":
        raise UnscannedError("HDF5 group without its names")
    size, _, names = file.unpack("<QQQ", heap + 8)
    file.check(names, size)
    for node in _read_tree(file, tree, _GROUP_NODE, 8):
        if file.read(node, 4) != b"SNOD":
            raise UnscannedError("HDF5 group with a damaged table")
        for index in range(file.number(node + 6, 2)):
            offset, address, kind = file.unpack("<QQI", node + 8 + 40 * index)
            if offset >= size:
                raise UnscannedError("HDF5 name outside its heap")
            raw = file.read(names + offset, min(size - offset, _LONGEST_NAME))
            if kind != 2:
                yield raw.partition(b"\0")[0].decode("utf-8", "backslashreplace"), address


def check_chunks(file: Positions, tree: int, dimensions: int) -> None:
    """Check that every chunk of a data set is inside the file.

    Raises:
        UnscannedError: one is not, or the index is damaged.
    """
    for _ in _read_tree(file, tree, _CHUNK_NODE, 8 + 8 * dimensions):
        pass


def _read_tree(file: Positions, root: int, kind: int, key: int) -> Iterator[int]:
    """Yield the addresses in the leaves of a B-tree; check the chunks of one of chunks."""
    pending, seen = [(root, _DEEPEST_TREE)], set[int]()
    while pending:
        address, highest = pending.pop()
        if address in seen:
            raise UnscannedError("HDF5 index that contains itself")
        seen.add(address)
        signature, found, level, count = file.unpack("<4sBBH", address)
        if signature != b"TREE" or found != kind or level > highest:
            raise UnscannedError("HDF5 file with a damaged index")
        place = address + 24
        for _ in range(count):
            child = file.number(place + key, 8)
            if level:
                pending.append((child, level - 1))
            elif kind == _CHUNK_NODE:
                file.check(child, file.number(place, 4))
                yield child
            else:
                yield child
            place += key + 8


def read_shared(file: Positions, address: int, wanted: int) -> tuple[int, int]:
    """Return where an object of a global heap is, and its size: the value of a variable text.

    Raises:
        UnscannedError: the heap is damaged, or has no such object.
    """
    signature, size = file.unpack("<4s4xQ", address)
    if signature != b"GCOL":
        raise UnscannedError("HDF5 file with a damaged heap")
    file.check(address, size)
    place = address + 16
    while place + 16 <= address + size:
        index, length = file.unpack("<H6xQ", place)
        if index == 0:
            break
        file.check(place + 16, length)
        if index == wanted:
            return place + 16, length
        place += 16 + (length + 7) // 8 * 8
    raise UnscannedError("HDF5 text that its heap does not have")
