"""The verified statements of a ledger, found by the digest of their subjects or materials.

Neither the place of a statement nor the index is trusted. Each statement is loaded by the digest of
its bytes, its signature is verified, and its subjects are compared with the digest. All others are
refused, with the reason.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass, field

from security.errors import SecurityError
from security.ledger.ledger import Ledger, LedgerError
from security.ledger.statement_index import StatementIndex
from security.signing.signature import Verified, stated_time, verify_bundle
from security.signing.trust import Trust
from security.statements import directory_listing, provenance
from security.statements.directory_listing import ListingError, verify_listing
from security.statements.provenance import Provenance, ProvenanceAction, parse_provenance
from security.statements.statement import list_identifiers


@dataclass(frozen=True, slots=True)
class Origin:
    """A provenance with its verified statement.

    Attributes:
        weakness: why it leads to no run of this project; None for a strong origin.
    """

    verified: Verified
    provenance: Provenance
    weakness: str | None = None


@dataclass
class VerifiedStatements:
    """Verified statements of one ledger.

    Attributes:
        project: the names of the project; None accepts statements of any project.
        refused: the reason for each refused statement, by digest.
        unreadable: the digests of refused statements that could not be read.
    """

    ledger: Ledger
    index: StatementIndex
    trust: Trust
    project: frozenset[str] | None = None
    refused: dict[str, str] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    _verified: dict[str, Verified] = field(default_factory=dict)

    def find(self, digest: str) -> Verified | None:
        """Return a statement by its digest in the ledger; None if it is refused."""
        if digest in self._verified or digest in self.refused:
            return self._verified.get(digest)
        try:
            verified = verify_bundle(self.ledger.load(digest), self.trust)
        except SecurityError as error:
            self.refused[digest] = error.message
            if isinstance(error, LedgerError):
                self.unreadable.add(digest)
            return None
        self._verified[digest] = verified
        return verified

    def about(self, digest: str, predicate_type: str) -> list[Verified]:
        """Return the verified statements about a digest, newest first."""
        found = [self.find(one) for one in reversed(self.index.about(digest, predicate_type))]
        return [
            one
            for one in found
            if one is not None
            and one.statement.predicate_type == predicate_type
            and one.statement.speaks_of(digest)
        ]

    def origin(self, digest: str) -> Origin | None:
        """Return the provenance of a digest; a strong one is preferred.

        Provenance of another project is refused: its code and its policy were others.
        """
        origins: list[Origin] = []
        for verified in self.about(digest, provenance.PREDICATE):
            try:
                found = parse_provenance(verified.statement)
            except SecurityError as error:
                self.refused[verified.bundle.sha256] = error.message
                continue
            if self.is_ours(found.project):
                origins.append(Origin(verified, found, self._find_weakness(found)))
            else:
                names = ", ".join(found.project)
                self.refused[verified.bundle.sha256] = f"made in another project: {names}"
        strong = [one for one in origins if one.weakness is None]
        return next(iter(strong or origins), None)

    def made(self, digest: str) -> Origin | None:
        """Return the run of a stage of this project that made a digest; None without one."""
        found = self.origin(digest)
        return found if found is not None and found.weakness is None else None

    def _find_weakness(self, found: Provenance) -> str | None:
        if found.action is not ProvenanceAction.RAN:
            return "restored from a cache, and no trusted statement says which run made it"
        return (
            "the statement of its run names no project" if self.is_unnamed(found.project) else None
        )

    def is_ours(self, names: Collection[str]) -> bool:
        """Whether a statement with these names of its project may be one of this project."""
        return self.project is None or not names or not self.project.isdisjoint(names)

    def is_unnamed(self, names: Collection[str]) -> bool:
        """Whether a statement lacks a name of its project although this project has one."""
        return bool(self.project) and not names

    def newest_time(self) -> datetime.datetime | None:
        """Return the newest time that a trusted statement states; None without one."""
        for digest in self.index.newest():
            verified = self.find(digest)
            if verified is not None:
                return stated_time(verified.statement)
        return None

    def made_from(self, digest: str) -> list[Origin]:
        """Return the verified runs that used a digest as an input."""
        found: list[Origin] = []
        for one in self.index.made_from(digest, provenance.PREDICATE):
            verified = self.find(one)
            if verified is None:
                continue
            try:
                origin = Origin(verified, parse_provenance(verified.statement))
            except SecurityError as error:
                self.refused[one] = error.message
                continue
            if any(digest in list_identifiers(m.digest) for m in origin.provenance.materials):
                found.append(origin)
        return found

    def directories_with(self, sha256: str) -> list[tuple[str, Verified]]:
        """Return the directories that contain a file, by identifier, with the listing."""
        found: dict[str, Verified] = {}
        for verified in self.about(sha256, directory_listing.PREDICATE):
            directory = verified.statement.subjects[0].digest.get("dirHash", "")
            key = f"dirHash:{directory}"
            if key not in found and self._lists(directory):
                found[key] = verified
        return list(found.items())

    def _lists(self, directory: str) -> bool:
        """Return whether verified statements list exactly the files of a directory."""
        listings = self.about(f"dirHash:{directory}", directory_listing.PREDICATE)
        try:
            verify_listing(directory, [one.statement for one in listings])
        except ListingError:
            return False
        return True
