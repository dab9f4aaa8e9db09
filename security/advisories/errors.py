"""What advisories can fail with.

AdvisoryError
├── MalformedAdvisoryError   a record is not what the OSV schema says
└── DatabaseError            the index of advisories is missing, damaged or of another schema
"""

from __future__ import annotations

from security.errors import SecurityError


class AdvisoryError(SecurityError):
    """Advisories could not be read."""

    kind = "advisories"


class MalformedAdvisoryError(AdvisoryError):
    """One record breaks the OSV schema.

    Attributes:
        where: the file or archive member, and below it the field, such as
            ``vulns/a/PYSEC-1.yaml: affected[0].ranges[1].events``.
        what: what is wrong there.
    """

    kind = "malformed-advisory"

    def __init__(self, where: str, what: str) -> None:
        super().__init__(
            f"malformed advisory: {where}: {what}", "mend the record, or report it to its publisher"
        )
        self.where = where
        self.what = what


class DatabaseError(AdvisoryError):
    """The database of advisories cannot be used."""

    kind = "advisory-database"
