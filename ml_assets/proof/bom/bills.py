"""Bills of materials: of a project's environment, and of each of its models."""

from __future__ import annotations

from collections.abc import Sequence

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.proof.bom.environment_packages import describe_environment
from ml_assets.proof.bom.model_materials import describe_model
from resources.dvc.checkout.checkout import Checkout
from security.bom.bill import Bill, validate_bill
from security.bom.ml_bom import write_model_bill
from security.bom.sbom import write_environment_bill
from security.gates.tool.own_tools import own_version


def build_environment_bill(project: Project, rules: Rules) -> Bill:
    """Build the SBOM of the environment that a project's stages run in.

    Raises:
        ResourceError, SecurityError: a part of it cannot be read.
        BillError: the bill is invalid.
    """
    content = write_environment_bill(
        describe_environment(project, rules), tool_version=own_version("ml-assets")
    )
    return validate_bill(content)


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
