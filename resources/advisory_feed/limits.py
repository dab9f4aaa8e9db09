"""The limits of a feed, against archives that unpack to huge sizes."""

from __future__ import annotations

from dataclasses import dataclass

from resources.advisory_feed.errors import HostileFeedError


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """The limits for one source.

    Attributes:
        file: bytes of the archive or download.
        record: bytes of one record. The largest of OSV have about 1 MiB.
        total: bytes of all unpacked records.
        ratio: unpacked by packed size, once the unpacked size exceeds `record`.
        members: files and directories in an archive or directory.
    """

    file: int = 2 << 30
    record: int = 16 << 20
    total: int = 4 << 30
    ratio: int = 200
    members: int = 300_000


class Meter:
    """Counts members and bytes of one source, and enforces its limits."""

    def __init__(self, limits: FeedLimits, packed: int, where: str) -> None:
        self._limits = limits
        self._most = min(limits.total, max(limits.record, packed * limits.ratio))
        self._where = where
        self._bytes = 0
        self._members = 0

    def count_member(self) -> None:
        """Count one member.

        Raises:
            HostileFeedError: the source has too many members.
        """
        self._members += 1
        if self._members > self._limits.members:
            raise HostileFeedError(f"more than {self._limits.members} members: {self._where}")

    def count_bytes(self, size: int) -> None:
        """Count unpacked bytes.

        Raises:
            HostileFeedError: too many bytes in total, or for the size of the archive.
        """
        self._bytes += size
        if self._bytes > self._most:
            raise HostileFeedError(f"unpacks to more than {self._most} bytes: {self._where}")
