"""The definitions: what Dagster loads for the UI, ``dagster dev`` and ``dagster asset``."""

from __future__ import annotations

import dagster as dg

from ml_assets.checks import build_checks
from ml_assets.graph import describe_assets
from ml_assets.jobs import build_jobs
from ml_assets.pipeline import build_pipeline
from ml_assets.project import Project, find_project
from ml_assets.settings import Granularity
from ml_assets.source import build_source


def build_definitions(project: Project) -> dg.Definitions:
    """Build everything that Dagster shows and runs of a project.

    Raises:
        ConfigurationError: the project or its settings cannot be read.
    """
    checkout = project.open_checkout()
    assets = describe_assets(project, checkout)
    checkout.store.save()
    one_process = project.settings.granularity is Granularity.PIPELINE
    return dg.Definitions(
        assets=[build_source(project, checkout.manifest), *build_pipeline(project, assets)],
        asset_checks=build_checks(project, checkout, assets),
        jobs=build_jobs(project, assets),
        executor=dg.in_process_executor if one_process else dg.multiprocess_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Load the project that the environment names, or that the current directory lies in."""
    return build_definitions(find_project())
