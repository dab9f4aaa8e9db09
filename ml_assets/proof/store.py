"""The proofs of a project: its ledger of statements, its signer and its trusted signers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property, partial
from pathlib import Path

from ml_assets.project.project import Project
from ml_assets.project.project_names import find_project_names
from ml_assets.project.rules import Rules
from ml_assets.proof.ledger_place import describe_ledger, open_ledger
from ml_assets.proof.signing_method import open_signer
from ml_assets.proof.trust import find_stray, find_trust
from ml_assets.signer.access import SignerAccess
from security.ledger.ledger import Ledger
from security.ledger.statement_index import StatementIndex
from security.signing.trust import Trust
from security.statements.statement import Statement
from security.verify.verification_summary import PREDICATE as DECISION
from security.verify.verified_statements import VerifiedStatements


class Proofs:
    """The signed statements of a project. Safe for threads; opens each part on first use.

    Args:
        rules: the rules that name the signer, the ledger and the trusted signers.
        on_notice: receives messages for the user.
        ledger: a path or URL in place of the one in the settings of the protected branch.
    """

    def __init__(
        self,
        project: Project,
        rules: Rules,
        on_notice: Callable[[str], None] = lambda _: None,
        *,
        ledger: str | None = None,
    ) -> None:
        self._project = project
        self._rules = rules
        self._other = ledger
        self._on_notice = on_notice
        self._guard = threading.RLock()
        self._index: StatementIndex | None = None

    @property
    def _where(self) -> str | None:
        return self._other or self._rules.settings.signing.ledger

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger."""
        return open_ledger(self._project, self._where)

    @property
    def place(self) -> str:
        """The place of the ledger, for people."""
        return describe_ledger(self._project, self._where)

    @cached_property
    def signer(self) -> SignerAccess:
        """The signer.

        Raises:
            ResourceError, SecurityError: the signing key is not available.
        """
        with self._guard:
            return open_signer(self._project, self._rules, self._on_notice)

    @cached_property
    def trust(self) -> Trust:
        """The trusted signers.

        Raises:
            PolicyError: the list of trusted signers is not valid.
        """
        for path in find_stray(self._rules.trust_files):
            self._on_notice(f"ignored, not directly in .ml-assets/trust: {path}")
        return find_trust(self._rules)

    @cached_property
    def project_names(self) -> frozenset[str]:
        """The names of the project in its statements.

        Raises:
            ResourceError: Git fails, or the settings are not valid.
        """
        return find_project_names(self._project, self._rules)

    @property
    def _marker(self) -> Path:
        self._project.make_state()
        return self._project.own_state / "unconcluded"

    @property
    def is_open(self) -> bool:
        """Whether a stage has run since the last signed ending of a run, in this run or before."""
        return self._marker.exists()

    def leave_open(self) -> None:
        """Record that a stage has run, so that the ending must be signed."""
        self._marker.touch()

    def close(self) -> None:
        """Record that the ending of all stages so far is signed."""
        self._marker.unlink(missing_ok=True)

    @contextmanager
    def records(self) -> Iterator[VerifiedStatements]:
        """Open the verified statements of the ledger."""
        with self._guard:
            yield self._open(self._opened())

    @contextmanager
    def complete_records(self) -> Iterator[VerifiedStatements]:
        """Open the verified statements with an index that no changed file can make incomplete."""
        with self._guard, closing(self._opened().copy_sealed()) as index:
            yield self._open(index)

    def _open(self, index: StatementIndex) -> VerifiedStatements:
        return VerifiedStatements(self.ledger, index, self.trust, self.project_names)

    def _opened(self) -> StatementIndex:
        if self._index is None:
            file = self._project.make_state() / "statements.sqlite"
            remember = () if self._other else (DECISION,)
            seal = partial(self._project.seal, "statement index")
            self._index = StatementIndex(
                self.ledger, file, self._on_notice, seal, remember=remember
            )
            self._index.refresh()
        return self._index

    def add(self, statement: Statement) -> str:
        """Sign a statement and add it to the ledger; return its digest there.

        A statement that the ledger holds already, signed by a trusted signer, is not added again.

        Raises:
            ResourceError, SecurityError: the statement cannot be signed or stored.
        """
        with self._guard:
            known = self._opened().having(statement.payload)
            if known is not None and self._is_trusted(known):
                return known
        bundle = self.signer.sign(statement.payload)
        digest = self.ledger.append(bundle)
        with self._guard:
            self._opened().add(digest, statement)
        return digest

    def _is_trusted(self, digest: str) -> bool:
        with self.records() as records:
            return records.find(digest) is not None
