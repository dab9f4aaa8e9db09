"""The proof store as a Dagster resource: the ledger for the statements of a run."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.proof.signing_method import choose_signer
from ml_assets.proof.store import Proofs

#: The key of the resource in the definitions.
PROOF_STORE = "proof_store"


class ProofStoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # it stands for itself
    """The ledger of signed statements.

    Attributes:
        ledger: a path, or a URL that fsspec supports; None takes ``signing.ledger`` of the settings
            of the protected branch.
    """

    ledger: str | None = None

    def open(self, project: Project, rules: Rules, on_notice: Callable[[str], None]) -> Proofs:
        """Return the statements of a project."""
        choose_signer(project, rules)
        return Proofs(project, rules, on_notice, ledger=self.ledger)
