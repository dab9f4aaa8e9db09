"""Digests of bytes, files and directory trees, computed in one read.

md5 is identity for DVC's cache and is never evidence; sha256 is evidence.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20
_LARGE = 32 << 20  # bytes of a file that is worth a second thread
_PIECE = 4 << 20


@dataclass(frozen=True, slots=True)
class Digests:
    """The two digests of one sequence of bytes, as lower-case hex, and its length in bytes."""

    md5: str
    sha256: str
    size: int


def digest_bytes(content: bytes) -> Digests:
    """Digest bytes that are already in memory."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Digests(md5, hashlib.sha256(content).hexdigest(), len(content))


def digest_file(path: Path | str) -> Digests:
    """Digest one file in a single read of its bytes.

    Raises:
        OSError: the file cannot be read.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    sha256 = hashlib.sha256()
    with open(path, "rb", buffering=0) as stream:
        if os.fstat(stream.fileno()).st_size >= _LARGE:
            size = _digest_large(stream, md5.update, sha256.update)
        else:
            size = 0
            while chunk := stream.read(_CHUNK):
                md5.update(chunk)
                sha256.update(chunk)
                size += len(chunk)
    return Digests(md5.hexdigest(), sha256.hexdigest(), size)


def _digest_large(
    stream: io.RawIOBase, one: Callable[[memoryview], None], other: Callable[[memoryview], None]
) -> int:
    """Update both digests in parallel: one in this thread, the other in a second one."""
    buffer = memoryview(bytearray(_PIECE))
    size = 0
    with ThreadPoolExecutor(1) as beside:
        while count := stream.readinto(buffer):
            piece = buffer[:count]
            taken = beside.submit(other, piece)
            one(piece)
            taken.result()
            size += count
    return size


def digest_tree(entries: Iterable[tuple[str, str]]) -> str:
    """Return the sha256 of a directory: of its sorted listing in the format of ``sha256sum``.

    The listing has one line per file, ``<sha256>  <path>`` and a newline, sorted by the UTF-8 bytes
    of the paths. A newline and a backslash in a path are escaped as ``\\n`` and ``\\\\``, so that
    two different trees never have the same listing.

    Args:
        entries: pairs of a file's path relative to the directory (POSIX separators) and its
            sha256 as hex.
    """
    listing = hashlib.sha256()
    for path, sha256 in sorted(entries, key=lambda entry: os.fsencode(entry[0])):
        escaped = path.replace("\\", "\\\\").replace("\n", "\\n")
        listing.update(os.fsencode(f"{sha256}  {escaped}\n"))
    return listing.hexdigest()
