"""Tar archives, as tarfile reads them: a member after its header, in blocks of 512 bytes.

Follows POSIX.1-2008 (ustar, pax) and the long names of GNU tar. Members are judged by their
content, and by the place that extraction puts them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from security.model_scan.byte_stream import ByteContent, ByteStream, Stored
from security.model_scan.examination import Examination
from security.model_scan.formats.archives import judge_name
from security.model_scan.report import (
    Format,
    ScanLocation,
    ScanPurpose,
    ScanSeverity,
    UnscannedError,
    quote,
)

BLOCK = 512
_SUM = slice(148, 156)
_SIZE = slice(124, 136)
_KIND = 156
_TARGET = slice(157, 257)
_PREFIX = slice(345, 500)
_FILES = b"\x0007"
_EXTENDED = b"xgLKXV"  # headers about the next member: pax and long names
_EMPTY = b"123456"  # links, devices, directories and pipes have no content
_SYMLINK = b"2"
_LINKS = b"12"
_SPECIAL = b"346"  # devices and pipes
_LONGEST_HEADER = 1 << 20


@dataclass(frozen=True, slots=True)
class TarMember:
    """A member of an archive.

    Attributes:
        start: position of its content.
        size: length of its content; 0 for all but files.
        kind: the type flag of its header.
        target: what a link leads to.
    """

    name: str
    start: int
    size: int
    kind: bytes = b"0"
    target: str = ""

    @property
    def escapes(self) -> bool:
        """Whether it is extracted outside of the archive's directory."""
        return self.name.startswith("/") or ".." in self.name.split("/")

    @property
    def leads_out(self) -> bool:
        """Whether it is a link out of the archive's directory, a device or a pipe."""
        if self.kind not in _LINKS:
            return self.kind in _SPECIAL
        base = posixpath.dirname(self.name) if self.kind == _SYMLINK else ""
        place = posixpath.normpath(posixpath.join(base, self.target))
        return self.target.startswith("/") or place.split("/")[0] == ".."


def starts_like_tar(block: bytes) -> bool:
    """Say whether the checksum of a block is that of a tar header, as tarfile does."""
    if len(block) < BLOCK or not any(block):
        return False
    told = _number(block[_SUM])
    rest = block[: _SUM.start] + b" " * 8 + block[_SUM.stop :]
    return told in (sum(rest), sum(byte - 256 if byte > 127 else byte for byte in rest))


def judge_tar(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan each member of a tar archive, and report those that extraction puts elsewhere.

    ``tarfile`` follows names and links out of its directory by default, up to Python 3.13.

    Raises:
        UnscannedError: the archive is damaged, or the first error of a member, raised after all
            members were scanned; an error about bytes that can become code comes first.
    """
    refused: UnscannedError | None = None
    stream = content.open()
    links: set[str] = set()
    files = 0
    for member in read_members(stream):
        inside = where.enter(member.name)
        _judge_place(examination, member, links, inside)
        judge_name(examination, member.name, inside)
        files += member.kind in _FILES
        if files > examination.limits.members or len(links) > examination.limits.members:
            raise UnscannedError("tar archive with too many members", where, capable=True)
        try:
            _judge_member(examination, content, stream, member, inside)
        except UnscannedError as error:
            error.location = error.location or inside
            if refused is None or error.capable > refused.capable:
                refused = error
    if refused is not None:
        raise refused
    return Format.TAR


def _judge_place(
    examination: Examination, member: TarMember, links: set[str], where: ScanLocation
) -> None:
    """Report a member whose name or target leads out of the directory of the archive."""
    name = posixpath.normpath(member.name)
    parts = name.split("/")
    # A file is written through a link of its own name.
    last = len(parts) + (member.kind in _FILES)
    through = any("/".join(parts[:count]) in links for count in range(1, last))
    if member.escapes or through:
        message = "member is extracted outside of the archive's directory"
        examination.find("tar-path", ScanSeverity.HIGH, message, where, quote(member.name))
    elif member.leads_out and examination.purpose is ScanPurpose.MODEL:
        message = "link out of the archive, device or pipe"
        examination.find("tar-link", ScanSeverity.HIGH, message, where, quote(member.name))
    if member.kind in _LINKS:
        links.add(name)


def _judge_member(
    examination: Examination,
    content: ByteContent,
    stream: ByteStream,
    member: TarMember,
    where: ScanLocation,
) -> None:
    """Scan one member; the stream is at its first byte and stays before its end."""
    if not member.size:
        return
    if isinstance(content, Stored):
        inner = Stored(content.descriptor, content.start + member.start, member.size)
        examination.enter(inner, where)
        return
    with examination.scratch.hold(stream, member.size) as held:
        examination.enter(held, where)


def read_members(stream: ByteStream) -> Iterator[TarMember]:
    """Yield the members of an archive, each with the stream at its content.

    Raises:
        UnscannedError: a header is damaged, or bytes follow the end of the archive.
    """
    named = target = b""
    while True:
        header = stream.peek(BLOCK)[:BLOCK]
        if len(header) < BLOCK or not any(header):
            break
        if not starts_like_tar(header):
            raise UnscannedError("damaged header in a tar archive", capable=True)
        stream.skip(BLOCK)
        size, kind = _number(header[_SIZE]), header[_KIND : _KIND + 1]
        start = stream.position
        if size is None or size < 0 or kind not in _FILES + _EXTENDED + _EMPTY:
            raise UnscannedError("unsupported member in a tar archive", capable=True)
        if kind in _EXTENDED:
            if size > _LONGEST_HEADER:
                raise UnscannedError("header of a tar archive longer than the limit", capable=True)
            body = stream.read(size)
            named = _read_name(kind, body) or named
            target = _read_target(kind, body) or target
        else:
            name, leads = named or _header_name(header), target or _text(header[_TARGET])
            named = target = b""
            if kind in _EMPTY or (kind == b"\0" and name.endswith(b"/")):
                size = 0  # also a directory of the oldest format
            texts = (one.decode("utf-8", "backslashreplace") for one in (name, leads))
            yield TarMember(next(texts), start, size, kind, next(texts))
        _skip_to(stream, start + size + -size % BLOCK)
    _check_rest(stream)


def _skip_to(stream: ByteStream, position: int) -> None:
    """Skip to a position; the last member may lack its padding."""
    left = position - stream.position
    padding = min(left, BLOCK - 1)
    stream.skip(left - padding)
    stream.skip(len(stream.peek(padding)[:padding]))


def _check_rest(stream: ByteStream) -> None:
    """Check that only zeros follow: a loader may go on after the end."""
    while piece := stream.read_some(1 << 18):
        if any(piece):
            raise UnscannedError("bytes after the end of a tar archive", capable=True)


def _read_name(kind: bytes, body: bytes) -> bytes:
    """Return the name in a header about the next member, if it has one.

    Raises:
        UnscannedError: the header changes where the content of members lies, or is ambiguous.
    """
    if kind == b"L":
        return body.rstrip(b"\0")
    if kind in b"xgX" and (b" size=" in body or b"GNU.sparse" in body):
        raise UnscannedError("pax header with a size in a tar archive", capable=True)
    return _read_record(kind, body, b" path=")


def _read_target(kind: bytes, body: bytes) -> bytes:
    """Return the target in a header about the next link, if it has one."""
    if kind == b"K":
        return body.rstrip(b"\0")
    return _read_record(kind, body, b" linkpath=")


def _read_record(kind: bytes, body: bytes, key: bytes) -> bytes:
    """Return the value of a key in a pax header.

    Raises:
        UnscannedError: it has the key twice, of which readers choose one.
    """
    if kind not in b"xgX":
        return b""
    _, found, rest = body.partition(key)
    if key in rest:
        raise UnscannedError("pax header with a repeated key in a tar archive", capable=True)
    return rest.partition(b"\n")[0] if found else b""


def _header_name(header: bytes) -> bytes:
    """Return the name in a header, with the prefix that tarfile puts before it in any format."""
    prefix = _text(header[_PREFIX])
    return prefix + b"/" + _text(header[:100]) if prefix else _text(header[:100])


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int | None:
    """Parse a number: octal, or binary in GNU's form; None if it is neither."""
    if field[:1] in (b"\x80", b"\xff"):
        value = int.from_bytes(field[1:], "big")
        return value if field[:1] == b"\x80" else -1
    try:
        return int(field.partition(b"\0")[0].strip(b" ") or b"0", 8)
    except ValueError:
        return None
