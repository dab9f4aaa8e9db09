"""Errors of the advisory feed. After each of them the present database is unchanged.

The exit code of each is 3, could not judge.

ResourceError
├── FeedError              advisories cannot be fetched or read
│   ├── HostileFeedError   a source contains a bomb, a path out of the archive, a device
│   └── ChecksumError      downloaded bytes do not match a checksum
├── UpdateRefusedError     an update would lose advisories or go back in time
└── UpdateRunningError     another process updates the database
"""

from __future__ import annotations

from typing import ClassVar

from resources.errors import ResourceError


class FeedError(ResourceError):
    """Advisories cannot be fetched or read."""

    kind: ClassVar[str] = "advisory-feed"


class HostileFeedError(FeedError):
    """A source contains something that no advisory feed contains."""

    kind = "hostile-feed"

    def __init__(self, message: str) -> None:
        super().__init__(
            message, "use the feed of the publisher: ml-assets advisories update --from URL"
        )


class ChecksumError(FeedError):
    """Downloaded bytes do not match a checksum."""

    kind = "checksum"


class UpdateRefusedError(ResourceError):
    """An update would lose advisories or go back in time."""

    kind = "update-refused"


class UpdateRunningError(ResourceError):
    """Another process updates the database."""

    kind = "update-running"
