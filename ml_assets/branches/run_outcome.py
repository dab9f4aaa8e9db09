"""The outcome of a run of a watched branch: judged, or ended by the death of its process.

Dagster knows both as failures. Only the second kind is asked for again.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import dagster as dg
from dagster._core.errors import DagsterRunNotFoundError
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG

from ml_assets.orchestration.instance.launcher import workers
from ml_assets.orchestration.instance.worker import Life, look_at

#: Names the run that holds the claim, on a run that had nothing to do.
CLAIMED_TAG = "ml-assets/claimed-by"
_ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
_INTERRUPTED = RunFailureReason.UNEXPECTED_TERMINATION.value
_JUDGED = RunFailureReason.STEP_FAILURE.value


class Outcome(Enum):
    """The outcome of a run."""

    OPEN = "open"  # it waits, or its process is alive
    JUDGED = "judged"  # it passed, failed by judgement, or was cancelled
    DIED = "died"  # its process was killed, or never started
    IDLE = "idle"  # another run had claimed its commit


def find_outcome(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Outcome:
    """Find the outcome of a run.

    1. A run whose process is alive is open, whatever Dagster's storage says.
    2. A failure of the op is a judgement, except for one that an interruption caused.
    3. A process that was killed after its op had ended did pass, or was judged.
    """
    if run.status not in _ENDED or look_at(workers(instance), run.run_id)[0] is Life.THERE:  # 1
        return Outcome.OPEN
    if CLAIMED_TAG in run.tags:
        return Outcome.IDLE
    reason = run.tags.get(RUN_FAILURE_REASON_TAG)
    if run.status is not dg.DagsterRunStatus.FAILURE or reason == _JUDGED:
        return Outcome.JUDGED
    if reason != _INTERRUPTED and _has_ended(instance, run):  # 2, 3
        return Outcome.JUDGED
    return Outcome.DIED


def _has_ended(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the op of a run has passed or failed."""
    types = {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE}
    return bool(instance.event_log_storage.get_logs_for_run(run.run_id, of_type=types, limit=1))


def have_died(instance: dg.DagsterInstance, runs: Iterable[dg.DagsterRun]) -> bool:
    """Whether at least one of some runs has died, and none is open or judged."""
    outcomes = {find_outcome(instance, run) for run in runs}
    return Outcome.DIED in outcomes and outcomes <= {Outcome.DIED, Outcome.IDLE}


def has_group_died(instance: dg.DagsterInstance, root: str) -> bool:
    """Whether a run and all its retries have died; not if the run is unknown."""
    try:
        group = instance.get_run_group(root)
    except DagsterRunNotFoundError:
        return False
    return group is not None and have_died(instance, group[1])
