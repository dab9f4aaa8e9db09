"""Bill statements: bills of materials as signed statements about what they are bills of.

Specification: in-toto predicate *CycloneDX*. The environment's bill is about the lock files and the
interpreter that the provenance of runs names, a model's about the model.
"""

from __future__ import annotations

import json

from ml_assets.project.project import Project
from ml_assets.proof.attestation import identify_content
from ml_assets.proof.bom.bills import build_environment_bill, build_model_bill
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from security.bom.bill import Bill
from security.statements.provenance import Provenance, Role
from security.statements.statement import Statement, Subject, write_statement

PREDICATE = "https://cyclonedx.org/bom"


def state_environment(project: Project, run: Provenance) -> Statement | None:
    """State what the environment of a run consists of; None where it named nothing of it.

    Raises:
        ResourceError, SecurityError: there can be no bill of it.
    """
    parts = run.of_role(Role.LOCK, Role.INTERPRETER)
    if not parts:
        return None
    subjects = {one.name: Subject(one.name, {"sha256": one.digest["sha256"]}) for one in parts}
    return _state(list(subjects.values()), build_environment_bill(project))


def state_model(
    project: Project,
    checkout: Checkout,
    location: str,
    content: Content,
    provenance: tuple[str, ...],
) -> Statement:
    """State what a model consists of and was made from.

    Raises:
        ResourceError, SecurityError: there can be no bill of it.
    """
    bill = build_model_bill(project, checkout, location, provenance=provenance)
    return _state([Subject(location, identify_content(content))], bill)


def _state(subjects: list[Subject], bill: Bill) -> Statement:
    return write_statement(subjects, PREDICATE, json.loads(bill.content))
