"""The members of a zip archive, read so strictly that all readers see the same members.

A zip file describes each member twice, in the directory at its end and in a header before the
member, and readers differ in which description they use. Attackers show harmless content to the
scanner with prepended, appended, overlapping and duplicate members, and with members that have two
different descriptions. Follows APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from security.model_scan.byte_stream import Stored
from security.model_scan.limits import ScanLimits
from security.model_scan.report import UnscannedError, quote

MAGIC = b"PK\x03\x04"
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_UNKNOWN_16, _UNKNOWN_32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED, _SIZES_FOLLOW, _STRONG, _MASKED = 1 << 0, 1 << 3, 1 << 6, 1 << 13
_STORED, _DEFLATED = 0, 8
_DESCRIPTORS = (12, 16, 20, 24)
_FILE_KIND, _SYMLINK = 0o170000, 0o120000
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its name, whether it is deflated, its packed bytes and its unpacked size."""

    name: str
    deflated: bool
    packed: Stored
    size: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of the directory."""

    name: str
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    offset: int


def read_directory(archive: Stored, limits: ScanLimits) -> list[Member]:
    """Return the members of an archive, in the order of their offsets.

    1. The end record is at the end of the file and has no comment.
    2. The directory ends at the end record and holds the announced number of entries.
    3. No name is repeated, leaves the archive, or means two names to two readers.
    4. Both descriptions of a member agree; it is not a symbolic link, not encrypted, and stored or
       deflated.
    5. The members follow each other from the first byte on, without gaps or shared bytes.

    Raises:
        UnscannedError: a step fails, or the archive is beyond a limit.
    """
    count, start, size = _read_end(archive)  # 1
    if count > limits.members or size > limits.directory:
        raise UnscannedError(f"zip archive with more than {limits.members} members")
    raw = _read(archive, start, size)
    entries = list(_parse_entries(raw, count))  # 2
    if len({entry.name for entry in entries}) != len(entries):  # 3
        raise UnscannedError("zip archive with two members of the same name")
    members: list[Member] = []
    end = 0
    for entry in sorted(entries, key=lambda one: one.offset):
        if entry.offset != end:  # 5
            raise UnscannedError("zip archive with a gap or an overlap between members")
        member, end = _read_member(archive, entry)
        members.append(member)
    if end != start:
        raise UnscannedError("zip archive with extra bytes before its directory")
    return [one for one in members if not one.name.endswith("/")]


def _read(archive: Stored, offset: int, size: int) -> bytes:
    """Return bytes of the archive."""
    if offset < 0 or size < 0 or offset + size > archive.size:
        raise UnscannedError("zip archive refers to bytes outside the file")
    raw = os.pread(archive.descriptor, size, archive.start + offset)
    if len(raw) != size:
        raise UnscannedError("truncated zip archive")
    return raw


def _read_end(archive: Stored) -> tuple[int, int, int]:
    """Return the number of members, and the offset and size of the directory."""
    position = archive.size - _END.size
    magic, disk, first, here, count, size, start, comment = _END.unpack(
        _read(archive, position, _END.size)
    )
    if magic != b"PK\x05\x06" or comment:
        raise UnscannedError("zip archive does not end with its end record")
    before = position - _LOCATOR64.size
    has64 = before >= 0 and _read(archive, before, 4) == b"PK\x06\x07"
    if has64:
        _, _, offset, _ = _LOCATOR64.unpack(_read(archive, before, _LOCATOR64.size))
        record = _END64.unpack(_read(archive, offset, _END64.size))
        position = offset
        if record[0] != b"PK\x06\x06" or offset + record[1] + 12 != before:
            raise UnscannedError("zip archive with a misplaced zip64 end record")
        small = (here, count, size, start)
        here, count, size, start = record[6:]
        for short, full, unknown in zip(small, record[6:], (_UNKNOWN_16,) * 2 + (_UNKNOWN_32,) * 2):
            if short not in (full, unknown):
                raise UnscannedError("zip archive with two different end records")
        disk, first = record[4:6]
    if disk or first or here != count or start + size != position:
        raise UnscannedError("zip directory is not directly before the end record")
    return count, start, size


def _parse_entries(raw: bytes, count: int) -> Iterator[_Entry]:
    """Parse the directory."""
    position = 0
    for _ in range(count):
        if position + _ENTRY.size > len(raw):
            raise UnscannedError("truncated zip directory")
        fields = _ENTRY.unpack_from(raw, position)
        magic, _, _, flags, method, _, _, checksum, packed, size = fields[:10]
        name_length, extra_length, comment_length, disk, _, attributes, offset = fields[10:]
        position += _ENTRY.size
        name = raw[position : position + name_length]
        extra = raw[position + name_length : position + name_length + extra_length]
        position += name_length + extra_length + comment_length
        if magic != b"PK\x01\x02" or disk not in (0, _UNKNOWN_16) or position > len(raw):
            raise UnscannedError("damaged zip directory")
        if attributes >> 16 & _FILE_KIND == _SYMLINK:
            raise UnscannedError("zip archive with a symbolic link")
        size, packed, offset = _widen(extra, (size, packed, offset))
        yield _Entry(_check_name(name), flags, method, checksum, packed, size, offset)
    if position != len(raw):
        raise UnscannedError("zip directory with extra bytes after its entries")


def _widen(extra: bytes, values: tuple[int, ...]) -> list[int]:
    """Replace values that do not fit into 32 bits with those of the zip64 extra field."""
    wide = iter(())
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            body = extra[position + 4 : position + 4 + length]
            wide = iter(struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8]))
        if kind == 0x7075:
            raise UnscannedError("zip member with a second name (Unicode path extra field)")
        position += 4 + length
    result = [next(wide, None) if one == _UNKNOWN_32 else one for one in values]
    if None in result:
        raise UnscannedError("zip64 extra field lacks a value")
    return [one for one in result if one is not None]


def _check_name(raw: bytes) -> str:
    """Decode a name; refuse one that is ambiguous to readers or leaves the archive."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnscannedError("name of a zip member is not UTF-8") from error
    parts = name.removesuffix("/").split("/")
    strange = not name.isprintable() or "\\" in name or _DRIVE.match(name)
    if strange or any(part in ("", ".", "..") for part in parts):
        raise UnscannedError(
            f"name of a zip member leaves the archive or is not plain: {quote(name)}"
        )
    return name


def _read_member(archive: Stored, entry: _Entry) -> tuple[Member, int]:
    """Compare a member with its entry; return it and the offset of the next one."""
    local = _LOCAL.unpack(_read(archive, entry.offset, _LOCAL.size))
    magic, _, flags, method, _, _, checksum, packed, size, name_length, extra_length = local
    where = quote(entry.name)
    header = entry.offset + _LOCAL.size
    name = _read(archive, header, name_length)
    extra = _read(archive, header + name_length, extra_length)
    if magic != MAGIC or name != entry.name.encode() or method != entry.method:
        raise UnscannedError(f"zip member differs from its directory entry: {where}")
    if (flags | entry.flags) & (_ENCRYPTED | _STRONG | _MASKED):
        raise UnscannedError(f"encrypted zip member: {where}")
    if method not in (_STORED, _DEFLATED):
        raise UnscannedError(f"unsupported compression method {method} of a zip member: {where}")
    if entry.name.endswith("/") and entry.size:
        raise UnscannedError(f"directory in a zip archive has content: {where}")
    if method == _STORED and entry.packed != entry.size:
        raise UnscannedError(f"stored zip member has two different sizes: {where}")
    follows = bool(flags & _SIZES_FOLLOW)
    told = (checksum, *_widen(extra, (size, packed)))
    expected = (entry.checksum, entry.size, entry.packed)
    later = follows and all(one in (0, real) for one, real in zip(told, expected))
    if not later and told != expected:
        raise UnscannedError(f"zip member differs from its directory entry: {where}")
    start = header + name_length + extra_length
    _read(archive, start + entry.packed, 0)
    content = Stored(archive.descriptor, archive.start + start, entry.packed)
    end = start + entry.packed + (_descriptor_size(archive, start, entry) if follows else 0)
    return Member(entry.name, method == _DEFLATED, content, entry.size), end


def _descriptor_size(archive: Stored, start: int, entry: _Entry) -> int:
    """Return the length of the data descriptor after a member that was written to a stream."""
    after = start + entry.packed
    longest = _read(archive, after, min(max(_DESCRIPTORS), archive.size - after))
    for code, sign in (
        ("<3L", b""),
        ("<3L", b"PK\x07\x08"),
        ("<L2Q", b""),
        ("<L2Q", b"PK\x07\x08"),
    ):
        try:
            record = sign + struct.pack(code, entry.checksum, entry.packed, entry.size)
        except struct.error:
            continue
        if longest.startswith(record) and _at_record(
            longest[len(record) :], archive, after, record
        ):
            return len(record)
    raise UnscannedError(f"missing or wrong data descriptor of a zip member: {quote(entry.name)}")


def _at_record(rest: bytes, archive: Stored, after: int, record: bytes) -> bool:
    """Say whether another record of the archive starts after a data descriptor."""
    following = rest[:2] or _read(archive, after + len(record), 2)
    return following == b"PK"
