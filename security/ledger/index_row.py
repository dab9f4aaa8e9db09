"""The row of a statement in the index: what is found without reading the statement."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from security.errors import SecurityError
from security.signing.signature import stated_time
from security.statements.statement import Statement, list_identifiers


@dataclass(frozen=True, slots=True)
class IndexRow:
    """The row of a statement, with the digests that it names."""

    digest: str
    payload: str
    predicate_type: str
    time: str | None
    subjects: tuple[str, ...]
    materials: tuple[str, ...]

    @property
    def message(self) -> bytes:
        """The bytes to seal."""
        fields = (self.digest, self.payload, self.predicate_type, self.time)
        text = repr((*fields, self.subjects, self.materials))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def build_row(digest: str, statement: Statement) -> IndexRow:
    """Build the row of a statement of the ledger.

    Args:
        digest: of the signed statement.
    """
    return IndexRow(
        digest,
        hashlib.sha256(statement.payload).hexdigest(),
        statement.predicate_type,
        _read_time(statement),
        tuple(sorted(_subjects(statement))),
        tuple(sorted(_materials(statement))),
    )


def _materials(statement: Statement) -> Iterable[str]:
    """Return the digests of a statement's resolved dependencies.

    Malformed dependencies are left out here, and refused when the statement is parsed.
    """
    found: set[str] = set()
    definition = statement.predicate.get("buildDefinition")
    listed: Any = definition.get("resolvedDependencies") if isinstance(definition, dict) else None
    for one in listed if isinstance(listed, list) else ():
        digests = one.get("digest") if isinstance(one, dict) else None
        found |= set(list_identifiers(digests)) if isinstance(digests, dict) else set()
    return found


def _subjects(statement: Statement) -> set[str]:
    return {one for subject in statement.subjects for one in list_identifiers(subject.digest)}


def _read_time(statement: Statement) -> str | None:
    try:
        time: datetime | None = stated_time(statement)
    except SecurityError:
        return None  # its readers refuse it
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if time is not None else None
