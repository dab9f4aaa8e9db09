"""The archive: records in a tar or zip file, read without unpacking it to the disk.

All members are checked before the first record is used:

1. Members are files and directories. Refuse links, devices and pipes.
2. Names are relative, without ``..``, backslash or control character.
3. Names are unique: with duplicates, the record that counts would depend on the reader.
4. Members and bytes stay within `FeedLimits`, measured while unpacking, not as announced.
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
_FETCH = "fetch the archive again: it is damaged or incomplete"


@dataclass(frozen=True, slots=True)
class RawRecord:
    """The bytes of one record and its origin."""

    where: str
    content: bytes


def is_archive(path: Path) -> bool:
    """Whether a file name has the suffix of an archive."""
    return path.name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz"))


def read_archive(path: Path, limits: FeedLimits) -> Iterator[RawRecord]:
    """Read the records of an archive.

    Raises:
        HostileFeedError: the archive violates one of the rules above.
        FeedError: the archive is damaged.
    """
    reader = _read_zip if path.name.lower().endswith(".zip") else _read_tar
    try:
        yield from reader(path, limits)
    except (*_BROKEN, NotImplementedError, RuntimeError) as error:
        raise FeedError(f"damaged archive: {path}: {error}", _FETCH) from error


def choose_records(names: Iterable[str]) -> frozenset[str]:
    """Choose the file names of records.

    In a checkout of the PyPA database these are the files below ``vulns/``, at the top or in the
    single top directory. Elsewhere these are all JSON and YAML files. Hidden files are not records.
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
        raise HostileFeedError(f"archive member with a path out of the archive: {name!r}")  # 2
    if not name.isprintable():
        raise HostileFeedError(f"archive member with control characters: {name!r}")
    if name.rstrip("/") in seen and not name.endswith("/"):
        raise HostileFeedError(f"duplicate archive member: {name!r}")  # 3
    seen.add(name.rstrip("/"))


def _read_zip(path: Path, limits: FeedLimits) -> Iterator[RawRecord]:
    with zipfile.ZipFile(path) as archive:
        meter = Meter(limits, path.stat().st_size, str(path))
        seen: set[str] = set()
        for member in archive.infolist():
            meter.count_member()
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise HostileFeedError(
                    f"archive member not a file or directory: {member.filename!r}"
                )  # 1
            if member.compress_type not in _ZIP_METHODS:
                raise FeedError(f"unsupported compression: {member.filename!r}", _FETCH)
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
                raise HostileFeedError(
                    f"archive member not a file or directory: {member.name!r}"
                )  # 1
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
    """A header with a limited name: tarfile would read a name of any length into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type not in tarfile.REGULAR_TYPES and header.size > _LONGEST_HEADER:
            raise HostileFeedError(f"tar header of {header.size} bytes")
        return header


class _MeteredStream(io.RawIOBase):
    """The output of a decompressor, with its bytes counted and its last block kept."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter
        self._tail = b""

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes, or a chunk."""
        content = self._stream.read(size if size > 0 else _CHUNK)
        self._meter.count_bytes(len(content))  # 4
        self._tail = (self._tail + content)[-tarfile.BLOCKSIZE :]
        return content

    def drain(self) -> None:
        """Read to the end, which verifies the checksum of gzip, and require the end mark of tar."""
        while self.read():
            pass
        if self._tail != bytes(tarfile.BLOCKSIZE):
            raise EOFError("no end mark")


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
            raise HostileFeedError(f"record larger than {limits.record} bytes: {name!r}")
        chunks.append(chunk)
    return b"".join(chunks)
