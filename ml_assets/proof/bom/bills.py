"""Bills of materials: of a project's environment, and of each of its models."""

from __future__ import annotations

from collections.abc import Sequence

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.proof.bom.bill_cache import BillCache
from ml_assets.proof.bom.environment_packages import (
    describe_environment,
    read_environment_source,
)
from ml_assets.proof.bom.model_materials import describe_model
from ml_assets.signer.user_directories import find_state_home
from resources.dvc.checkout.checkout import Checkout
from security.bom.bill import Bill, validate_bill
from security.bom.ml_bom import write_model_bill
from security.bom.sbom import write_environment_bill
from security.gates.tool.own_tools import own_version


def build_environment_bill(project: Project, rules: Rules) -> Bill:
    """Build the SBOM of the environment that a project's stages run in.

    The bill of an unchanged environment comes from the cache.

    Raises:
        ResourceError, SecurityError: a part of it cannot be read.
        BillError: the bill is invalid.
    """
    source = read_environment_source(project, rules)
    cache = BillCache(find_state_home() / "bills", source.python.python, project.seal)
    known = cache.load(source.sha256)
    if known is not None:
        return known
    content = write_environment_bill(
        describe_environment(source), tool_version=own_version("ml-assets")
    )
    bill = validate_bill(content)
    if read_environment_source(project, rules) == source:  # nothing changed while it was read
        cache.keep(source.sha256, bill)
    return bill


def build_model_bill(
    project: Project, checkout: Checkout, location: str, *, provenance: Sequence[str] = ()
) -> Bill:
    """Build the ML-BOM of a model.

    Args:
        location: the model's out.
        provenance: sha256 of statements about the model, to link.

    Raises:
        ResourceError: a part of it cannot be read, or differs from its recorded digest.
        BillError: the bill is invalid.
    """
    described = describe_model(project.settings, checkout, location, tuple(provenance))
    content = write_model_bill(described, tool_version=own_version("ml-assets"))
    return validate_bill(content)
