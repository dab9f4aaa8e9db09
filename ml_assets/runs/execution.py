"""The execution: one Dagster run of selected assets in this process."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from ml_assets.gating.evaluation import Gating
from ml_assets.graph.translator import Asset, source_key
from ml_assets.orchestration.assets import build_started_pipeline
from ml_assets.orchestration.checks import report_evaluations
from ml_assets.orchestration.instance.home import use_instance
from ml_assets.orchestration.instance.migration_scripts import keep_migration_scripts
from ml_assets.orchestration.instance.stage_log import StageLog, StageLogManager
from ml_assets.project.project import Project
from ml_assets.reporting.console import ConsoleReporter
from resources.dvc.run.reproduction import StageRun
from security.policy.decision import CaseDecision

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Execution:
    """The result of a Dagster run.

    Attributes:
        recorded: the states that Dagster's storage now holds, by asset name.
        cancelled: whether the run was cancelled.
    """

    run_id: str
    succeeded: bool
    recorded: Mapping[str, str]
    cancelled: bool = False


def execute_run(
    project: Project,
    assets: Sequence[Asset],
    started: StageRun,
    reporter: ConsoleReporter,
    tags: Mapping[str, str],
    run_id: str,
) -> Execution:
    """Materialize assets in one Dagster run in this process.

    Args:
        assets: the assets to materialize.
        started: the run of their stages, which has already started.
        tags: the tags of the Dagster run (``Project.run_tags``).
        run_id: the id of the Dagster run, which the provenance of its stages names.
    """
    StageLogManager.direct = log = StageLog()
    reporter.keep_lines(log.write)
    pipeline = build_started_pipeline(project, assets, started, reporter)
    definitions = dg.Definitions(assets=[pipeline])
    job = definitions.resolve_implicit_global_asset_job_def()
    with _open_instance(project) as instance:
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            # Dagster's list of runs shows these assets as the target of the run.
            asset_selection=[dg.AssetKey(asset.key) for asset in assets],
            run_config=_QUIET,
            tags=tags,
            run_id=run_id,
        )
        recorded = {
            event.asset_key.to_user_string(): _state(event.materialization.tags)
            for event in result.get_asset_materialization_events()
            if event.asset_key is not None and event.materialization.tags
        }
        cancelled = any(
            event.event_type is dg.DagsterEventType.RUN_CANCELED for event in result.all_events
        )
    return Execution(result.run_id, result.success, recorded, cancelled)


def _state(tags: Mapping[str, str]) -> str:
    """Return the state (``Asset.state``) of a recorded asset."""
    return f"{tags['dagster/data_version']} {tags['dagster/code_version']}"


@contextmanager
def _open_instance(project: Project) -> Iterator[dg.DagsterInstance]:
    """Open the project's instance under a lock, so that only one process creates its databases."""
    keep_migration_scripts()
    home = use_instance(project)
    home.mkdir(parents=True, exist_ok=True)
    with open(home / ".ml-assets.lock", "a+b") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        instance = dg.DagsterInstance.get()
    with instance:
        yield instance


def record_checks(
    project: Project, gating: Gating, judged: Sequence[CaseDecision], assets: Sequence[Asset]
) -> None:
    """Record the decisions of gates in Dagster, for its UI."""
    source = source_key(project.branch, gating.checkout.manifest)
    with _open_instance(project) as instance:
        report_evaluations(instance, source, gating.kit.kinds, judged, assets)
