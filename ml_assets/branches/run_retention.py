"""The retention of runs: remove the oldest runs from Dagster's storage, with events and output.

These runs stay:

1. The newest ones, as many as the settings say.
2. Those that have not ended, or whose process is alive.
3. Those with the last materialization or observation of an asset: without its run, Dagster would
   show the asset as never made. Evaluations of checks are in a table that no removal touches.
4. Those of commits that are in use: heads, shown and passed commits, and commits that wait. The
   branch sensor reads whether they have run.
5. Of a commit that the sensor requested, all runs if one of them stays, or if all have died:
   otherwise the commit would run again after it has passed, or never again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator

import dagster as dg

from ml_assets.branches.branch_run import BRANCH_TAG, COMMIT_TAG, SENSOR, TRIGGER_TAG
from ml_assets.branches.run_outcome import have_died
from ml_assets.orchestration.instance.launcher import workers
from ml_assets.orchestration.instance.worker import Life, look_at

#: The limit of runs read for one cleanup; the next one takes the rest.
_MOST = 1000
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def remove_runs(
    instance: dg.DagsterInstance, keep: int, used: Collection[str], seconds: float = 10.0
) -> int:
    """Remove the oldest runs; return their number.

    Args:
        keep: the number of newest runs that stay.
        used: the commits that are in use.
        seconds: the time limit.
    """
    deadline = time.monotonic() + seconds
    old = list(_list_old(instance, keep, used))
    shown = _list_shown(instance) if old else set()
    free = {run.run_id for run in old} - shown
    removed = 0
    for run in old:
        if time.monotonic() > deadline:
            break
        if run.run_id in free and not _is_needed(instance, run, free):
            instance.delete_run(run.run_id)
            instance.compute_log_manager.delete_logs(prefix=[run.run_id])
            removed += 1
    return removed


def _is_needed(instance: dg.DagsterInstance, run: dg.DagsterRun, free: Collection[str]) -> bool:
    """Whether the sensor needs a run to tell if its commit has passed."""
    if run.tags.get(TRIGGER_TAG) != SENSOR:
        return False
    tags = {name: run.tags.get(name, "") for name in (BRANCH_TAG, COMMIT_TAG)}
    runs = instance.get_runs(dg.RunsFilter(tags=tags))
    return any(one.run_id not in free for one in runs) or have_died(instance, runs)  # 5


def _list_old(
    instance: dg.DagsterInstance, keep: int, used: Collection[str]
) -> Iterator[dg.DagsterRun]:
    newest = instance.get_run_ids(limit=keep)  # 1
    if len(newest) < keep:
        return
    ended = dg.RunsFilter(statuses=_ENDED)  # 2
    for run in reversed(instance.get_runs(ended, cursor=newest[-1], limit=_MOST)):
        lives = look_at(workers(instance), run.run_id)[0] is Life.THERE
        if not lives and run.tags.get(COMMIT_TAG) not in used:  # 4
            yield run


def _list_shown(instance: dg.DagsterInstance) -> set[str]:
    """List the runs of the last events of all assets."""
    shown: set[str | None] = set()
    for record in instance.get_asset_records():  # 3
        entry = record.asset_entry
        shown |= {entry.last_run_id, entry.last_planned_materialization_run_id}
        if entry.last_materialization_record is not None:
            shown.add(entry.last_materialization_record.run_id)
        seen = instance.fetch_observations(entry.asset_key, limit=1).records
        shown |= {one.run_id for one in seen}
    return {one for one in shown if one is not None}
