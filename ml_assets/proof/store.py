"""The proofs: a project's ledger, who signs into it, and whose signatures count there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from ml_assets.project.project import Project
from ml_assets.proof.signer import open_ledger, open_signer
from ml_assets.proof.trust import find_trust
from security.ledger.ledger import Ledger
from security.ledger.statement_index import StatementIndex
from security.signing.signer import Signer
from security.signing.trust import Trust
from security.statements.statement import Statement
from security.verify.verified_statements import VerifiedStatements


class Proofs:
    """Statements of a project. Safe for threads; opens what it needs when it is first needed.

    Args:
        on_notice: told what a user should know once.
    """

    def __init__(self, project: Project, on_notice: Callable[[str], None] = lambda _: None) -> None:
        self._project = project
        self._on_notice = on_notice
        self._guard = threading.RLock()
        self._index: StatementIndex | None = None

    @cached_property
    def ledger(self) -> Ledger:
        """Where the statements lie."""
        return open_ledger(self._project)

    @cached_property
    def signer(self) -> Signer:
        """Who signs.

        Raises:
            ResourceError, SecurityError: nobody can sign here.
        """
        with self._guard:
            return open_signer(self._project, self._on_notice)

    @cached_property
    def trust(self) -> Trust:
        """Whose signatures count.

        Raises:
            PolicyError: the list of them is wrong.
        """
        return find_trust(self._project)

    @property
    def _marker(self) -> Path:
        self._project.make_state()
        return self._project.own_state / "unconcluded"

    @property
    def is_open(self) -> bool:
        """Whether stages have run since a run was last concluded, here or in a run that ended."""
        return self._marker.exists()

    def leave_open(self) -> None:
        """Note that a stage has run, and that what it comes to is still to be signed."""
        self._marker.touch()

    def conclude(self) -> None:
        """Note that what runs come to is signed."""
        self._marker.unlink(missing_ok=True)

    @contextmanager
    def records(self) -> Iterator[VerifiedStatements]:
        """Give what can be believed of the ledger."""
        with self._guard:
            yield VerifiedStatements(self.ledger, self._opened(), self.trust)

    def _opened(self) -> StatementIndex:
        if self._index is None:
            file = self._project.make_state() / "statements.sqlite"
            self._index = StatementIndex(self.ledger, file, self._on_notice)
            self._index.refresh()
        return self._index

    def add(self, statement: Statement) -> str:
        """Sign a statement and add it to the ledger; return its digest there.

        What somebody trusted has said already in the same words is not said again.

        Raises:
            ResourceError, SecurityError: it cannot be signed, or not be kept.
        """
        with self._guard:
            known = self._opened().having(statement.payload)
            if known is not None and self._is_believed(known):
                return known
        bundle = self.signer.sign(statement.payload)
        digest = self.ledger.append(bundle)
        with self._guard:
            self._opened().add(digest, statement)
        return digest

    def _is_believed(self, digest: str) -> bool:
        with self.records() as records:
            return records.find(digest) is not None
