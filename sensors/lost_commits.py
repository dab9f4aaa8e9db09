"""Lost commits: those whose runs have all died, found in Dagster's storage.

Dagster retries a run that has died once, and not at all if its code server is away at that moment.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from ml_assets.branches.branch_run import BRANCH_TAG, COMMIT_TAG, SENSOR, TRIGGER_TAG
from ml_assets.branches.run_outcome import Outcome, find_outcome
from ml_assets.project.settings.watch import WatchSettings
from sensors.branches import Lost, is_wanted

#: The limit of failed runs that a tick looks at, newest first.
_MOST = 50


def find_lost(
    instance: dg.DagsterInstance, heads: Mapping[str, str], settings: WatchSettings
) -> list[Lost]:
    """Find the lost commits that still have to run.

    Args:
        heads: the commits of the existing watched branches.
    """
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={TRIGGER_TAG: SENSOR})
    candidates = {
        (run.tags.get(BRANCH_TAG, ""), run.tags.get(COMMIT_TAG, "")): None
        for run in reversed(instance.get_runs(failed, limit=_MOST))
    }
    found = (
        _look_at(instance, branch, commit)
        for branch, commit in candidates
        if is_wanted(branch, commit, heads, settings)
    )
    return [one for one in found if one is not None]


def _look_at(instance: dg.DagsterInstance, branch: str, commit: str) -> Lost | None:
    """Return a commit if all its runs have died; one that passed or was judged is not lost."""
    records = instance.get_run_records(dg.RunsFilter(tags={BRANCH_TAG: branch, COMMIT_TAG: commit}))
    died: list[dg.RunRecord] = []
    for record in records:
        run = record.dagster_run
        outcome = find_outcome(instance, run)
        if outcome is Outcome.DIED:
            died.append(record)
        elif outcome is not Outcome.IDLE and run.asset_selection is None:
            return None
    if not died:
        return None
    ends = [record.end_time or record.create_timestamp.timestamp() for record in died]
    return Lost(branch, commit, died[0].dagster_run.run_id, len(died), max(ends))
