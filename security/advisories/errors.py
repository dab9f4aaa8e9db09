"""The errors of advisories.

AdvisoryError
├── MalformedAdvisoryError   a record violates the OSV schema
└── DatabaseError            the advisory database is missing, damaged or of another schema
"""

from __future__ import annotations

from security.errors import SecurityError


class AdvisoryError(SecurityError):
    """Advisories cannot be read."""

    kind = "advisories"


class MalformedAdvisoryError(AdvisoryError):
    """One record violates the OSV schema.

    Attributes:
        where: the file or archive member, and the field in it, such as
            ``vulns/a/PYSEC-1.yaml: affected[0].ranges[1].events``.
        what: the defect.
    """

    kind = "malformed-advisory"

    def __init__(self, where: str, what: str) -> None:
        super().__init__(
            f"malformed advisory: {where}: {what}",
            "correct the record, or report it to its publisher",
        )
        self.where = where
        self.what = what


class DatabaseError(AdvisoryError):
    """The advisory database cannot be used."""

    kind = "advisory-database"
