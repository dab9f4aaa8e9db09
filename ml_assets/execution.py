"""The execution: one Dagster run of selected assets in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from ml_assets.checks import build_checks
from ml_assets.console import ConsoleReporter
from ml_assets.instance import use_instance
from ml_assets.pipeline import build_pipeline
from ml_assets.project import Project
from ml_assets.stage_log import StageLog, StageLogManager
from ml_assets.translator import Asset
from resources.dvc.reproduction import Runs

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Check:
    """A check's verdict (passed, failed or error), and why."""

    name: str
    asset: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Execution:
    """How a run ended.

    Attributes:
        recorded: states by asset name, as Dagster's storage has them now.
        checks: what was checked on the way.
        cancelled: somebody asked it to end.
    """

    run_id: str
    succeeded: bool
    recorded: Mapping[str, str]
    checks: Sequence[Check] = ()
    cancelled: bool = False


def execute_run(
    project: Project,
    assets: Sequence[Asset],
    started: Runs,
    reporter: ConsoleReporter,
    tags: Mapping[str, str],
) -> Execution:
    """Materialize assets in one Dagster run in this process.

    Args:
        assets: the assets to materialize; all others are left alone.
        started: the run of their stages, which is under way already.
        tags: of the run (``Project.run_tags``).
    """
    use_instance(project)
    StageLogManager.direct = log = StageLog()
    reporter.keep_lines(log.write)
    pipeline = build_pipeline(project, assets, started=started, reporter=reporter)
    definitions = dg.Definitions(assets=pipeline, asset_checks=build_checks(project, assets))
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            # What the list of runs shows as the run's target.
            asset_selection=[dg.AssetKey(asset.key) for asset in assets],
            run_config=_QUIET,
            tags=tags,
        )
        recorded = {
            event.asset_key.to_user_string(): _state(event.materialization.tags)
            for event in result.get_asset_materialization_events()
            if event.asset_key is not None and event.materialization.tags
        }
        checks = [_check(evaluation) for evaluation in result.get_asset_check_evaluations()]
        cancelled = any(
            event.event_type is dg.DagsterEventType.RUN_CANCELED for event in result.all_events
        )
    return Execution(result.run_id, result.success, recorded, checks, cancelled)


def _state(tags: Mapping[str, str]) -> str:
    """Return what ``Asset.state`` returns, of what was recorded."""
    return f"{tags['dagster/data_version']} {tags['dagster/code_version']}"


def _check(evaluation: dg.AssetCheckEvaluation) -> Check:
    verdict = evaluation.metadata.get("verdict")
    said = str(verdict.value) if verdict is not None else "error"
    return Check(
        name=evaluation.check_name,
        asset=evaluation.asset_key.to_user_string(),
        # What Dagster recorded and what the check said must agree, or nobody judged.
        verdict=said if (said == "passed") == evaluation.passed else "error",
        reason=evaluation.description or "",
    )
