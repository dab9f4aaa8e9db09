"""Bill statements: bills of materials as statements about their environment or model.

Specification: in-toto predicate *CycloneDX*. The subjects of an environment's bill are the lock
files and the interpreter in the provenance of runs.
"""

from __future__ import annotations

import json

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.proof.attestation import identify_content
from ml_assets.proof.bom.bills import build_environment_bill, build_model_bill
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from security.bom.bill import Bill
from security.statements.provenance import Provenance, Role
from security.statements.statement import Statement, Subject, write_statement

PREDICATE = "https://cyclonedx.org/bom"


def state_environment(project: Project, rules: Rules, run: Provenance) -> Statement | None:
    """Write the bill of a run's environment; None if the run names neither lock nor interpreter.

    Raises:
        ResourceError, SecurityError: the bill cannot be made.
    """
    parts = run.of_role(Role.LOCK, Role.INTERPRETER)
    if not parts:
        return None
    subjects = {one.name: Subject(one.name, {"sha256": one.digest["sha256"]}) for one in parts}
    return _state(list(subjects.values()), build_environment_bill(project, rules))


def state_model(
    project: Project,
    checkout: Checkout,
    location: str,
    content: Content,
    provenance: tuple[str, ...],
) -> Statement:
    """Write the bill of a model.

    Raises:
        ResourceError, SecurityError: the bill cannot be made.
    """
    bill = build_model_bill(project, checkout, location, provenance=provenance)
    return _state([Subject(location, identify_content(content))], bill)


def _state(subjects: list[Subject], bill: Bill) -> Statement:
    return write_statement(subjects, PREDICATE, json.loads(bill.content))
