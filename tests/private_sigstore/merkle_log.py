"""The Merkle log: entries that only grow, with proofs that one is in (RFC 6962 section 2.1)."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Inclusion:
    """Where an entry lies, and the proof of it."""

    index: int
    size: int
    root: bytes
    path: tuple[bytes, ...]


class MerkleLog:
    """A log in memory."""

    def __init__(self) -> None:
        self._leaves: list[bytes] = []
        self._lock = threading.Lock()

    def append(self, entry: bytes) -> Inclusion:
        """Add an entry; return the proof for the log as it is then."""
        with self._lock:
            self._leaves.append(hashlib.sha256(b"\0" + entry).digest())
            leaves = tuple(self._leaves)
        index = len(leaves) - 1
        return Inclusion(index, len(leaves), _root(leaves), _path(index, leaves))


def _split(leaves: tuple[bytes, ...]) -> int:
    """Return the largest power of two that is smaller than their number."""
    return 1 << ((len(leaves) - 1).bit_length() - 1)


def _root(leaves: tuple[bytes, ...]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    at = _split(leaves)
    return hashlib.sha256(b"\1" + _root(leaves[:at]) + _root(leaves[at:])).digest()


def _path(index: int, leaves: tuple[bytes, ...]) -> tuple[bytes, ...]:
    if len(leaves) == 1:
        return ()
    at = _split(leaves)
    if index < at:
        return (*_path(index, leaves[:at]), _root(leaves[at:]))
    return (*_path(index - at, leaves[at:]), _root(leaves[:at]))
