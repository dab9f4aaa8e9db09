"""Records in a tar or zip archive, read where they lie: nothing is ever unpacked onto the disk.

Every member is looked at before the first record is used:

1. Only files and directories: links, devices and pipes are refused.
2. No absolute name, no ``..``, no backslash, no control character.
3. No name twice: which of two records counts would depend on the reader.
4. No more members and bytes than `FeedLimits` allow, measured as they come out and not as they are
   announced.
"""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from resources.advisory_feed.errors import FeedError, HostileFeedError
from resources.advisory_feed.limits import FeedLimits, Meter
from resources.advisory_feed.record_text import SUFFIXES

_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError)
_VULNS = "vulns"
_CHUNK = 1 << 16
_LONGEST_HEADER = 1 << 16
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_FINDER = "fetch it again: it is damaged, or not complete"


@dataclass(frozen=True, slots=True)
class RawRecord:
    """The bytes of one record and where they come from."""

    where: str
    content: bytes


def is_archive(path: Path) -> bool:
    """Say whether a file's name is that of an archive."""
    return path.name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz"))


def read_archive(path: Path, limits: FeedLimits) -> Iterator[RawRecord]:
    """Read the records of an archive.

    Raises:
        HostileFeedError: a member or the archive is made to harm.
        FeedError: it is damaged, or no archive.
    """
    reader = _read_zip if path.name.lower().endswith(".zip") else _read_tar
    try:
        yield from reader(path, limits)
    except (*_BROKEN, NotImplementedError, RuntimeError) as error:
        raise FeedError(f"damaged archive: {path}: {error}", _FINDER) from error


def choose_records(names: Iterable[str]) -> frozenset[str]:
    """Choose the names that are records.

    In a checkout of the PyPA database those below ``vulns/``, at the top or in the one directory
    that an archive is wrapped in; elsewhere every JSON and YAML file. Hidden ones are none.
    """
    candidates = [
        name
        for name in names
        if name.lower().endswith(SUFFIXES)
        and not any(part.startswith(".") for part in name.split("/") if part != ".")
    ]
    below = [name for name in candidates if _VULNS in _parts(name)[:2]]
    return frozenset(below or candidates)


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/")[:-1] if part != "."]


def _verify_name(name: str, seen: set[str]) -> None:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0]:
        raise HostileFeedError(f"member outside of the archive: {name!r}")  # 2
    if not name.isprintable():
        raise HostileFeedError(f"member with control characters: {name!r}")
    if name.rstrip("/") in seen and not name.endswith("/"):
        raise HostileFeedError(f"member given twice: {name!r}")  # 3
    seen.add(name.rstrip("/"))


def _read_zip(path: Path, limits: FeedLimits) -> Iterator[RawRecord]:
    with zipfile.ZipFile(path) as archive:
        meter = Meter(limits, path.stat().st_size, str(path))
        seen: set[str] = set()
        for member in archive.infolist():
            meter.count_member()
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise HostileFeedError(f"neither file nor directory: {member.filename!r}")  # 1
            if member.compress_type not in _ZIP_METHODS:
                raise FeedError(f"unusual compression: {member.filename!r}", _FINDER)
            _verify_name(member.filename, seen)
        chosen = choose_records(one.filename for one in archive.infolist() if not one.is_dir())
        for member in archive.infolist():
            if member.filename in chosen:
                with archive.open(member) as stream:
                    content = _read_limited(stream, meter, limits, member.filename)
                yield RawRecord(member.filename, content)


def _read_tar(path: Path, limits: FeedLimits) -> Iterator[RawRecord]:
    """Read a tar in two passes: all names first, then the records."""
    names: list[str] = []
    seen: set[str] = set()
    with _open_tar(path, limits) as (archive, meter):
        for member in archive:
            meter.count_member()
            if member.issparse() or not (member.isreg() or member.isdir()):
                raise HostileFeedError(f"neither file nor directory: {member.name!r}")  # 1
            _verify_name(member.name + ("/" if member.isdir() else ""), seen)
            names += [member.name] if member.isreg() else []
    chosen = choose_records(names)
    records = Meter(limits, path.stat().st_size, str(path))
    with _open_tar(path, limits) as (archive, _):
        for member in archive:
            stream = archive.extractfile(member) if member.name in chosen else None
            if stream is not None:
                yield RawRecord(member.name, _read_limited(stream, records, limits, member.name))


class _Header(tarfile.TarInfo):
    """A header that announces no endless name: tarfile would read it into memory whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type not in tarfile.REGULAR_TYPES and header.size > _LONGEST_HEADER:
            raise HostileFeedError(f"header of {header.size} bytes")
        return header


class _MeteredStream(io.RawIOBase):
    """What comes out of a decompressor, counted, with the end of it kept for a look."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter
        self._tail = b""

    def read(self, size: int = -1) -> bytes:
        """Read at most so many bytes, or a chunk."""
        content = self._stream.read(size if size > 0 else _CHUNK)
        self._meter.count_bytes(len(content))  # 4
        self._tail = (self._tail + content)[-tarfile.BLOCKSIZE :]
        return content

    def drain(self) -> None:
        """Read to the end, so that a checksum there is compared, and look for tar's end mark."""
        while self.read():
            pass
        if self._tail != bytes(tarfile.BLOCKSIZE):
            raise EOFError("the archive has no end")


@contextmanager
def _open_tar(path: Path, limits: FeedLimits) -> Iterator[tuple[tarfile.TarFile, Meter]]:
    meter = Meter(limits, path.stat().st_size, str(path))
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = _MeteredStream(gzip.GzipFile(fileobj=file) if packed else file, meter)
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as archive:
            yield archive, meter
        stream.drain()


def _read_limited(stream: IO[bytes], meter: Meter, limits: FeedLimits, name: str) -> bytes:
    chunks: list[bytes] = []
    size = 0
    read: Callable[[int], bytes] = stream.read
    while chunk := read(_CHUNK):
        size += len(chunk)
        meter.count_bytes(len(chunk))  # 4
        if size > limits.record:
            raise HostileFeedError(f"record of more than {limits.record} bytes: {name!r}")
        chunks.append(chunk)
    return b"".join(chunks)
