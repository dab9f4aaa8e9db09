"""Bills of materials: of a project's environment, and of each of its models.

The composer: it reads what there is, has it written as CycloneDX, and returns what was judged.
"""

from __future__ import annotations

from collections.abc import Sequence

from ml_assets.project.project import Project
from ml_assets.proof.bom.environment_packages import describe_environment
from ml_assets.proof.bom.model_materials import describe_model
from resources.dvc.checkout.checkout import Checkout
from security.bom.bill import Bill, BillKind, verify_bill
from security.bom.ml_bom import write_model_bill
from security.bom.sbom import write_environment_bill
from security.gates.tool.own_tools import own_version


def build_environment_bill(project: Project) -> Bill:
    """Build the SBOM of the environment that a project's stages run in.

    Raises:
        ResourceError: something that belongs into it cannot be read.
        SecurityError: the environment cannot be read, or the bill does not stand up to its judge.
    """
    content = write_environment_bill(
        describe_environment(project), tool_version=own_version("ml-assets")
    )
    return verify_bill(content, BillKind.ENVIRONMENT)


def build_model_bill(
    project: Project, checkout: Checkout, location: str, *, provenance: Sequence[str] = ()
) -> Bill:
    """Build the ML-BOM of a model.

    Args:
        location: of the out that the model is.
        provenance: the sha256 of statements about it, to link.

    Raises:
        ResourceError: something that belongs into it cannot be read, or is not what was recorded.
        SecurityError: the bill does not stand up to its judge.
    """
    described = describe_model(project.settings, checkout, location, tuple(provenance))
    content = write_model_bill(described, tool_version=own_version("ml-assets"))
    return verify_bill(content, BillKind.MODEL)
