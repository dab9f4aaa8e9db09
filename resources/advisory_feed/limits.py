"""How much a feed may hold: beyond that it is a bomb and not a feed."""

from __future__ import annotations

from dataclasses import dataclass

from resources.advisory_feed.errors import HostileFeedError


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """The most that is read of one source.

    Attributes:
        file: bytes of the archive, or of the download.
        record: bytes of one record. OSV's largest have about 1 MiB.
        total: bytes of everything that is unpacked.
        ratio: times that something may grow by being unpacked, once it has grown beyond `record`.
        members: files and directories in an archive or directory.
    """

    file: int = 2 << 30
    record: int = 16 << 20
    total: int = 4 << 30
    ratio: int = 200
    members: int = 300_000


class Meter:
    """Counts what comes out of one source, and stops it at its limits."""

    def __init__(self, limits: FeedLimits, packed: int, where: str) -> None:
        self._limits = limits
        self._most = min(limits.total, max(limits.record, packed * limits.ratio))
        self._where = where
        self._bytes = 0
        self._members = 0

    def count_member(self) -> None:
        """Count one member.

        Raises:
            HostileFeedError: there are too many.
        """
        self._members += 1
        if self._members > self._limits.members:
            raise HostileFeedError(f"more than {self._limits.members} members: {self._where}")

    def count_bytes(self, size: int) -> None:
        """Count bytes that have been unpacked.

        Raises:
            HostileFeedError: there are too many, for all or for what they were packed in.
        """
        self._bytes += size
        if self._bytes > self._most:
            raise HostileFeedError(f"unpacks to more than {self._most} bytes: {self._where}")
