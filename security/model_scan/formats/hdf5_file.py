"""HDF5 files: groups, data sets and attributes that hold numbers and texts.

The library reads other files and loads plug-ins if a file says so, and Keras makes layers from an
attribute. So links to other files, filters of plug-ins, and layers with code are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from security.model_scan.byte_stream import ByteContent, Stored
from security.model_scan.examination import Examination
from security.model_scan.formats.hdf5_objects import (
    UNDEFINED,
    HeaderMessage,
    check_chunks,
    read_group,
    read_messages,
    read_shared,
)
from security.model_scan.formats.keras_config import judge_config
from security.model_scan.formats.loader_marker import KERAS, holds
from security.model_scan.formats.positions import Positions
from security.model_scan.pickle.pickle_reader import judge_accident
from security.model_scan.report import Format, ScanLocation, UnscannedError, quote

MAGIC = b"\x89HDF\r\n\x1a\n"
_SPACE, _LINKS, _TYPE, _LINK, _EXTERNAL, _LAYOUT = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08
_FILTERS, _ATTRIBUTE, _SYMBOLS, _ATTRIBUTES = 0x0B, 0x0C, 0x11, 0x15
_HARMLESS = frozenset((0x00, 0x04, 0x05, 0x0A, 0x0D, 0x0E, 0x10, 0x12, 0x13, 0x16))
# deflate, shuffle, fletcher32, szip, nbit, scale-offset of the library itself; LZF of h5py
_KNOWN_FILTERS = frozenset((1, 2, 3, 4, 5, 6, 32000))
_HARD, _SOFT = 0, 1
_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2
_TEXT, _VARIABLE = 3, 9
_KERAS = frozenset({"model_config", "training_config"})
_PICKLED = "PSEUDOATOM"  # PyTables pickles the rows of such an array
_MOST_OBJECTS = 200_000
_MOST_TEXT = 32 << 20


@dataclass(slots=True)
class _Walk:
    """The objects that are still to visit, and those that were."""

    file: Positions
    content: Stored
    examination: Examination
    where: ScanLocation
    pending: list[int] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)


def starts_like_hdf5(head: bytes, _: int | None) -> bool:
    """Say whether content starts with the signature."""
    return head.startswith(MAGIC)


def judge_hdf5(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan a file.

    1. The superblock is of a known version, and the file ends where it says.
    2. Every object is inside the file: its messages, links, chunks and data, with the lengths that
       shape and type give.
    3. Nothing leads out of the file: no links to other files, external or virtual data, plug-ins.
    4. The configuration of Keras names only layers without code; no attribute is a pickle.

    Raises:
        UnscannedError: a step fails.
    """
    try:
        _walk(examination, content, where)
    except UnscannedError as error:
        error.capable = error.capable or holds(content, KERAS)
        raise
    return Format.HDF5


def _walk(examination: Examination, content: ByteContent, where: ScanLocation) -> None:
    """Scan every object that the root group leads to."""
    file = Positions(content, "HDF5")
    assert isinstance(content, Stored)  # nosec B101  # checked by Positions
    walk = _Walk(file, content, examination, where, [_read_superblock(file)])  # 1
    while walk.pending:
        address = walk.pending.pop()
        if address in walk.seen:
            continue
        walk.seen.add(address)
        if len(walk.seen) > _MOST_OBJECTS:
            raise UnscannedError("HDF5 file with too many objects", where)
        _judge_object(walk, address)


def _read_superblock(file: Positions) -> int:
    """Return the address of the root group."""
    root: int
    version = file.number(8, 1)
    if version in (0, 1):
        widths, start = file.unpack("<BB", 13), 24 if version == 0 else 28
        base, _, end, driver = file.unpack("<4Q", start)
        root = file.number(start + 40, 8)
    elif version in (2, 3):
        widths, driver = file.unpack("<BB", 9), UNDEFINED
        base, extension, end, root = file.unpack("<4Q", 12)
        if extension != UNDEFINED:
            raise UnscannedError("HDF5 file with an extension of its superblock")
    else:
        raise UnscannedError("HDF5 file of an unknown version")
    if widths != (8, 8) or base or driver != UNDEFINED or end != file.size:
        raise UnscannedError("HDF5 file with another size than announced, or of a special driver")
    return root


def _judge_object(walk: _Walk, address: int) -> None:
    """Scan the messages of one object."""
    messages = list(read_messages(walk.file, address))
    elements, size = 1, 0
    for message in messages:
        if message.flags & 2 and message.kind not in (_TYPE, _ATTRIBUTE):
            raise UnscannedError("HDF5 object with a shared message")
        if message.kind == _SPACE:
            elements = _count_elements(walk.file, message.offset, message.size)
        elif message.kind == _TYPE and not message.flags & 2:
            size = walk.file.number(message.offset + 4, 4)
    for message in messages:
        if message.kind == _LAYOUT:
            _check_layout(walk.file, message, elements * size)
        elif message.kind not in (_SPACE, _TYPE, *_HARMLESS):
            _judge_message(walk, message)


def _judge_message(walk: _Walk, message: HeaderMessage) -> None:
    """Scan a message that can lead to other objects or out of the file."""
    file, offset = walk.file, message.offset
    if message.kind == _SYMBOLS:
        for _, address in read_group(file, *file.unpack("<QQ", offset)):
            walk.pending.append(address)
    elif message.kind == _LINK:
        _follow_link(walk, message)
    elif message.kind == _FILTERS:
        _check_filters(file, message)
    elif message.kind == _ATTRIBUTE:
        _judge_attribute(walk, message)
    elif message.kind in (_LINKS, _ATTRIBUTES):
        flags = file.number(offset + 1, 1)
        width = 8 if message.kind == _LINKS else 2
        if file.number(offset + 2 + (width if flags & 1 else 0), 8) != UNDEFINED:
            raise UnscannedError("HDF5 group or object with an index that is not supported")
    elif message.kind == _EXTERNAL:
        raise UnscannedError("HDF5 data in another file")
    else:
        raise UnscannedError(f"unknown message in an HDF5 object: {message.kind}")


def _follow_link(walk: _Walk, message: HeaderMessage) -> None:
    """Follow a link of a new group."""
    file, place = walk.file, message.offset + 2
    flags = file.number(message.offset + 1, 1)
    kind = _HARD
    if flags & 8:
        kind, place = file.number(place, 1), place + 1
    place += (8 if flags & 4 else 0) + (1 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    length = file.number(place, width)
    if kind == _HARD:
        walk.pending.append(file.number(place + width + length, 8))
    elif kind != _SOFT:
        raise UnscannedError("HDF5 link to another file")


def _check_filters(file: Positions, message: HeaderMessage) -> None:
    """Check that the library itself has every filter: it loads plug-ins for others."""
    version, count = file.unpack("<BB", message.offset)
    place = message.offset + (8 if version == 1 else 2)
    for _ in range(count):
        number = file.number(place, 2)
        named = version == 1 or number >= 256
        length = file.number(place + 2, 2) if named else 0
        values = file.number(place + (6 if named else 4), 2)
        if number not in _KNOWN_FILTERS:
            raise UnscannedError(f"HDF5 data that needs a plug-in: filter {number}")
        padded = (length + 7) // 8 * 8 if version == 1 else length
        place += (8 if named else 6) + padded + 4 * values
        place += 4 if version == 1 and values % 2 else 0


def _count_elements(file: Positions, offset: int, size: int) -> int:
    """Return the number of elements of a data space."""
    version, rank = file.unpack("<BB", offset)
    start = 8 if version == 1 else 4
    if version not in (1, 2) or rank > 32 or start + 8 * rank > size:
        raise UnscannedError("HDF5 data space that is damaged")
    if version == 2 and file.number(offset + 3, 1) == 2:
        return 0
    elements: int = math.prod(file.unpack(f"<{rank}Q", offset + start))
    if elements >= 1 << 62:
        raise UnscannedError("HDF5 shape that overflows")
    return elements


def _check_layout(file: Positions, message: HeaderMessage, needed: int) -> None:
    """Check that the data of a data set is inside the file."""
    version, kind = file.unpack("<BB", message.offset)
    place = message.offset + 2
    if version not in (3, 4, 5) or kind not in (_COMPACT, _CONTIGUOUS, _CHUNKED):
        raise UnscannedError("HDF5 data of an unknown layout, or in other files")
    if kind == _COMPACT:
        held = file.number(place, 2)
        if held + 4 > message.size or held < needed:
            raise UnscannedError("HDF5 data shorter than its shape")
    elif kind == _CONTIGUOUS:
        address, held = file.unpack("<QQ", place)
        if address != UNDEFINED:
            file.check(address, held)
            if held < needed:
                raise UnscannedError("HDF5 data shorter than its shape")
    elif version == 3:
        dimensions, tree = file.unpack("<BQ", place)
        if tree != UNDEFINED:
            check_chunks(file, tree, dimensions)
    else:
        address = file.number(message.offset + message.size - 8, 8)
        if address != UNDEFINED:
            file.check(address, 4)


def _judge_attribute(walk: _Walk, message: HeaderMessage) -> None:
    """Scan an attribute: its name, and its value if that could be code."""
    file, start = walk.file, message.offset
    version, flags, name, kind, space = file.unpack("<BBHHH", start)
    if version not in (1, 2, 3):
        raise UnscannedError("HDF5 attribute of an unknown version")
    pad = 8 if version == 1 else 1
    place = start + (9 if version == 3 else 8)
    called = file.read(place, name).partition(b"\0")[0].decode("utf-8", "backslashreplace")
    typed = place + -(-name // pad) * pad
    spaced = typed + -(-kind // pad) * pad
    data = spaced + -(-space // pad) * pad
    length = start + message.size - data
    file.check(data, length)
    if called.startswith(_PICKLED):
        raise UnscannedError("HDF5 array of pickles", walk.where, capable=True)
    group = file.number(typed, 1) & 15
    if group == _VARIABLE and length >= 16:
        data, length = _find_text(file, data)
    elif group == _TEXT and not flags:
        length = min(length, file.number(typed + 4, 4) * _count_elements(file, spaced, space))
    if called in _KERAS:
        text = file.read(data, min(length, _MOST_TEXT)).rstrip(b"\0 ")
        judge_config(walk.examination, text, walk.where.enter(quote(called)))
    inside = Stored(walk.content.descriptor, walk.content.start + data, length)
    judge_accident(walk.examination, inside, walk.where.enter(quote(called)))


def _find_text(file: Positions, data: int) -> tuple[int, int]:
    """Return where the text of a variable length is."""
    length, address, index = file.unpack("<IQI", data)
    return (data, 0) if not length else read_shared(file, address, index)
