"""The verified statements of a ledger, found by the digest of their subjects or materials.

Neither the place of a statement nor the index is trusted. Each statement is loaded by the digest of
its bytes, its signature is verified, and its subjects are compared with the digest. All others are
refused, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from security.errors import SecurityError
from security.ledger.ledger import Ledger, LedgerError
from security.ledger.statement_index import StatementIndex
from security.signing.signature import Verified, verify_bundle
from security.signing.trust import Trust
from security.statements import directory_listing, provenance
from security.statements.directory_listing import ListingError, verify_listing
from security.statements.provenance import Provenance, ProvenanceAction, parse_provenance
from security.statements.statement import STRONG


@dataclass(frozen=True, slots=True)
class Origin:
    """A provenance with its verified statement."""

    verified: Verified
    provenance: Provenance


@dataclass
class VerifiedStatements:
    """Verified statements of one ledger.

    Attributes:
        refused: the reason for each refused statement, by digest.
        unreadable: the digests of refused statements that could not be read.
    """

    ledger: Ledger
    index: StatementIndex
    trust: Trust
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
            and any(one.statement.speaks_of(algorithm, digest) for algorithm in STRONG)
        ]

    def origin(self, digest: str) -> Origin | None:
        """Return the provenance of a digest; a run that ran is preferred to one that restored."""
        origins: list[Origin] = []
        for verified in self.about(digest, provenance.PREDICATE):
            try:
                origins.append(Origin(verified, parse_provenance(verified.statement)))
            except SecurityError as error:
                self.refused[verified.bundle.sha256] = error.message
        ran = [one for one in origins if one.provenance.action is ProvenanceAction.RAN]
        return next(iter(ran or origins), None)

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
            if any(digest in material.digest.values() for material in origin.provenance.materials):
                found.append(origin)
        return found

    def directories_with(self, sha256: str) -> list[tuple[str, Verified]]:
        """Return the directories that contain a file, by digest, with the listing."""
        found: dict[str, Verified] = {}
        for verified in self.about(sha256, directory_listing.PREDICATE):
            directory = verified.statement.subjects[0].digest.get("dirHash", "")
            if directory not in found and self._lists(directory):
                found[directory] = verified
        return list(found.items())

    def _lists(self, directory: str) -> bool:
        """Return whether verified statements list exactly the files of a directory."""
        listings = self.about(directory, directory_listing.PREDICATE)
        try:
            verify_listing(directory, [one.statement for one in listings])
        except ListingError:
            return False
        return True
