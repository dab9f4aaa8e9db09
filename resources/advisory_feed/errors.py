"""What the advisory feed fails with: nothing of the database in place changes then.

ResourceError
├── FeedError              the records could not be fetched or read
│   ├── HostileFeedError   an archive or file is made to harm: a bomb, a path outside, a device
│   └── ChecksumError      the bytes are not those that were promised
├── UpdateRefusedError     the records were read, and would make the database worse
└── UpdateRunningError     another update holds the lock
"""

from __future__ import annotations

from typing import ClassVar

from resources.errors import ResourceError


class FeedError(ResourceError):
    """Advisories could not be fetched or read."""

    kind: ClassVar[str] = "advisory-feed"


class HostileFeedError(FeedError):
    """An archive, a file or a server offers what no feed of advisories has."""

    kind = "hostile-feed"

    def __init__(self, message: str) -> None:
        super().__init__(message, "do not use this feed; get the advisories from their publisher")


class ChecksumError(FeedError):
    """The bytes that came are not those that were promised."""

    kind = "checksum"


class UpdateRefusedError(ResourceError):
    """An update would lose advisories, or go back in time."""

    kind = "update-refused"


class UpdateRunningError(ResourceError):
    """Another process updates this database."""

    kind = "update-running"
