"""The definitions that Dagster loads for the UI, ``dagster dev`` and ``dagster asset``."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import dagster as dg
from dagster._core.definitions.definitions_load_context import (
    DefinitionsLoadContext,
    DefinitionsLoadType,
)

from ml_assets.branches.branch_assets import build_branch, build_branch_job
from ml_assets.branches.graph_at_commit import WatchedBranch, find_shown, keep_shown, load_branch
from ml_assets.branches.watch import WATCH_VARIABLE, Watch, find_watch, identifier
from ml_assets.branches.watch_resource import WATCH, WatchResource, describe_watch
from ml_assets.delivery.release_assets import build_release
from ml_assets.graph.description import describe_assets
from ml_assets.orchestration.assets import build_pipeline
from ml_assets.orchestration.checks import ProjectOpener, build_checks
from ml_assets.orchestration.instance.temporary_files import use_own_directory
from ml_assets.orchestration.jobs import build_jobs
from ml_assets.orchestration.project_resource import PROJECT, ProjectResource, describe_project
from ml_assets.orchestration.proof_store import PROOF_STORE, ProofStoreResource
from ml_assets.orchestration.source_asset import build_source
from ml_assets.project.env_file import check_env_file
from ml_assets.project.project import Project, find_project
from ml_assets.project.protection import find_protected
from ml_assets.project.rules import find_rules, pin_rules
from ml_assets.project.settings.settings import Granularity
from ml_assets.signer.access import is_separate, separate_signer
from ml_assets.signer.broker import Places
from ml_assets.signer.user_directories import find_dvc_root, find_start, find_watches
from resources.errors import ResourceError
from security.errors import SecurityError

#: Dagster keeps the commits of the definitions under this name, for the processes of runs.
_HEADS = "ml-assets/heads"
#: Sensors are loaded by name: they stand above this package and import from it.
_SENSORS = ("sensors.branch_sensor",)


def build_definitions(project: Project) -> dg.Definitions:
    """Build the definitions of a project's working tree.

    Raises:
        ConfigurationError: the project or its settings cannot be read.
    """
    rules = find_rules(project.root)
    checkout = project.open_checkout()
    assets = describe_assets(project, checkout)
    checkout.store.save()
    one_process = project.settings.granularity is Granularity.PIPELINE
    opener = ProjectOpener(PROJECT, ProjectResource.open)
    return dg.Definitions(
        assets=[build_source(project, checkout.manifest), *build_pipeline(project, assets)],
        asset_checks=build_checks(project, rules, checkout, assets, opener),
        jobs=build_jobs(project, assets),
        resources={PROJECT: describe_project(project), PROOF_STORE: ProofStoreResource()},
        executor=dg.in_process_executor if one_process else dg.multiprocess_executor,
    )


def build_watched_definitions(watch: Watch) -> dg.Definitions:
    """Build the definitions of the watched branches.

    The process of a run loads the graphs of the commits that the run was launched with.
    """
    protected = find_protected(watch.mirror.directory)
    branches = [load_branch(watch, name, commit) for name, commit in _find_heads(watch).items()]
    keep_shown(watch, branches)
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = []
    checks: list[dg.AssetChecksDefinition] = []
    for branch in branches:
        assets.append(build_branch(branch))
        if branch.graph is not None:
            graph = branch.graph
            rules = pin_rules(graph.project.root, protected)
            assets += build_release(branch, rules.policy.environment_of(branch.name))
            checks += build_checks(
                graph.project,
                rules,
                graph.checkout,
                graph.assets,
                ProjectOpener(WATCH, partial(_open_worktree, branch)),
                name=f"gates_{identifier(branch.name)}",
            )
    jobs = [build_branch_job(branch) for branch in branches]
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=jobs,
        sensors=[
            import_module(name).build_sensor(watch.settings, branches, jobs) for name in _SENSORS
        ],
        resources={WATCH: describe_watch(watch), PROOF_STORE: ProofStoreResource()},
        executor=dg.in_process_executor,
    )


def _open_worktree(branch: WatchedBranch, watch: WatchResource) -> Project:
    return watch.open().open_worktree(branch.name, branch.commit)


def _find_heads(watch: Watch) -> dict[str, str]:
    context = DefinitionsLoadContext.get()
    if context.load_type is DefinitionsLoadType.RECONSTRUCTION:
        kept = context.reconstruction_metadata.get(_HEADS)
        if kept is not None:
            return {str(name): str(commit) for name, commit in json.loads(kept).items()}
    heads = find_shown(watch)
    context.add_to_pending_reconstruction_metadata(_HEADS, json.dumps(heads))
    return heads


def _hide_keys() -> None:
    """Hide the keys from a process of Dagster that the user has started, before it reads a graph.

    Processes of ``ml-assets ui`` have inherited that. In a process with several threads it is too
    late: then its runs say that they can read the keys.
    """
    program = Path(sys.argv[0])
    if "dagster" in (program.name, program.parent.name) and not is_separate():
        places = Places(find_dvc_root(find_start()), find_watches())
        separate_signer([Path.cwd()], places, shared=True)


@dg.definitions
def defs() -> dg.Definitions:
    """Load the watched branches, or the project of the environment or the current directory."""
    try:
        return _load()
    except (ResourceError, SecurityError) as error:
        error.add_note(f"hint: {error.hint}")  # Dagster shows it
        raise


def _load() -> dg.Definitions:
    check_env_file(Path.cwd())
    use_own_directory()
    _hide_keys()
    home = os.environ.get(WATCH_VARIABLE)
    if home:
        return build_watched_definitions(find_watch(home))
    return build_definitions(find_project())
