"""The definitions: what Dagster loads for the UI, ``dagster dev`` and ``dagster asset``."""

from __future__ import annotations

import json
import os
from importlib import import_module

import dagster as dg
from dagster._core.definitions.definitions_load_context import (
    DefinitionsLoadContext,
    DefinitionsLoadType,
)

from ml_assets.branches.branch_assets import build_branch, build_branch_job
from ml_assets.branches.graph_at_commit import find_shown, keep_shown, load_branch
from ml_assets.branches.watch import WATCH_VARIABLE, Watch, find_watch, identifier
from ml_assets.delivery.release_assets import build_release
from ml_assets.graph.description import describe_assets
from ml_assets.orchestration.assets import build_pipeline
from ml_assets.orchestration.checks import build_checks
from ml_assets.orchestration.jobs import build_jobs
from ml_assets.orchestration.source_asset import build_source
from ml_assets.project.project import Project, find_project
from ml_assets.project.rules import find_rules
from ml_assets.project.settings.settings import Granularity

#: Under which name Dagster keeps, for the processes of runs, what the definitions were made of.
_HEADS = "ml-assets/heads"
#: Sensors are loaded by name: they stand above this package and import from it.
_SENSORS = ("sensors.branch_sensor",)


def build_definitions(project: Project) -> dg.Definitions:
    """Build everything that Dagster shows and runs of a project's working tree.

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


def build_watched_definitions(watch: Watch) -> dg.Definitions:
    """Build everything that Dagster shows and runs of the watched branches.

    The process of a run holds the graphs that the run was made from, whatever was pushed since.
    """
    branches = [load_branch(watch, name, commit) for name, commit in _find_heads(watch).items()]
    keep_shown(watch, branches)
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = []
    checks: list[dg.AssetChecksDefinition] = []
    for branch in branches:
        assets.append(build_branch(watch, branch))
        if branch.graph is not None:
            graph = branch.graph
            policy = find_rules(graph.project.root).policy
            assets += build_release(branch, policy.environment_of(branch.name))
            name = f"gates_{identifier(branch.name)}"
            checks += build_checks(graph.project, graph.checkout, graph.assets, name=name)
    jobs = [build_branch_job(branch) for branch in branches]
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=jobs,
        sensors=[import_module(name).build_sensor(watch, branches, jobs) for name in _SENSORS],
        executor=dg.in_process_executor,
    )


def _find_heads(watch: Watch) -> dict[str, str]:
    context = DefinitionsLoadContext.get()
    if context.load_type is DefinitionsLoadType.RECONSTRUCTION:
        kept = context.reconstruction_metadata.get(_HEADS)
        if kept is not None:
            return {str(name): str(commit) for name, commit in json.loads(kept).items()}
    heads = find_shown(watch)
    context.add_to_pending_reconstruction_metadata(_HEADS, json.dumps(heads))
    return heads


@dg.definitions
def defs() -> dg.Definitions:
    """Load what is watched, or the project that the environment or the current directory names."""
    home = os.environ.get(WATCH_VARIABLE)
    return (
        build_watched_definitions(find_watch(home)) if home else build_definitions(find_project())
    )
