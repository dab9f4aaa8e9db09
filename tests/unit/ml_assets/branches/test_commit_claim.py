"""Which run executes a commit: never two, never one after a judgement, one more after a death."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType, JobFailureData, RunFailureReason
from dagster._core.execution.plan.objects import StepFailureData, StepSuccessData
from dagster._core.storage.tags import (
    PARENT_RUN_ID_TAG,
    RETRY_NUMBER_TAG,
    ROOT_RUN_ID_TAG,
    RUN_FAILURE_REASON_TAG,
)

from ml_assets.branches.branch_run import BRANCH_TAG, COMMIT_TAG, SENSOR, TRIGGER_TAG
from ml_assets.branches.commit_claim import claim_commit
from ml_assets.branches.run_outcome import CLAIMED_TAG, Outcome, find_outcome
from ml_assets.orchestration.instance import worker
from ml_assets.orchestration.instance.launcher import workers
from ml_assets.project.settings.watch import Commits, WatchSettings
from resources.stores.seal import seal_with
from sensors.lost_commits import find_lost

A, B = "a" * 40, "b" * 40
HEADS = {"main": A}
STARTED, FAILURE = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE
_SEAL = seal_with(b"secret")


@dg.op
def work() -> None:
    """Stand for the op of a branch."""


@dg.job
def reproduce() -> None:
    """Stand for the job of a branch."""
    work()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with storage."""
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield instance


def start(instance: dg.DagsterInstance, parent: dg.DagsterRun | None = None) -> dg.DagsterRun:
    """Start a run of the commit, as the sensor does, or Dagster's retry of one."""
    tags = {TRIGGER_TAG: SENSOR, BRANCH_TAG: "main", COMMIT_TAG: A}
    if parent is None:
        return instance.create_run_for_job(reproduce, status=STARTED, tags=tags)
    root = parent.root_run_id or parent.run_id
    own = {RETRY_NUMBER_TAG: "1", ROOT_RUN_ID_TAG: root, PARENT_RUN_ID_TAG: parent.run_id}
    return instance.create_run_for_job(
        reproduce,
        status=STARTED,
        tags={**tags, **own},
        root_run_id=root,
        parent_run_id=parent.run_id,
    )


def end(
    instance: dg.DagsterInstance, run: dg.DagsterRun, reason: RunFailureReason | None = None
) -> None:
    """Report the failure of a run; without a reason, its process was killed."""
    data = JobFailureData(error=None, failure_reason=reason) if reason else None
    instance.report_run_failed(run, job_failure_data=data)


def pass_op(instance: dg.DagsterInstance, run: dg.DagsterRun, kind: DagsterEventType) -> None:
    """Record the end of the op of a run."""
    passed = kind is DagsterEventType.STEP_SUCCESS
    data = StepSuccessData(1.0) if passed else StepFailureData(None, None)
    event = DagsterEvent(kind.value, "reproduce", event_specific_data=data, step_key="work")
    instance.report_dagster_event(event, run.run_id)


def claim(instance: dg.DagsterInstance, home: Path, run: dg.DagsterRun) -> str | None:
    return claim_commit(home, instance, run, f"main@{A}", _SEAL)


def outcome(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Outcome:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return find_outcome(instance, found)


def lost(instance: dg.DagsterInstance, commits: Commits = Commits.NEWEST) -> list[str]:
    return [one.run for one in find_lost(instance, HEADS, WatchSettings(commits=commits))]


def test_one_of_two_open_runs_executes_the_commit(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    first, second = start(instance), start(instance)
    assert claim(instance, tmp_path, first) is None
    assert claim(instance, tmp_path, second) == first.run_id
    assert claim(instance, tmp_path, first) is None
    assert lost(instance) == []


def test_run_after_a_death_executes_the_commit_and_a_late_retry_does_not(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    first = start(instance)
    assert claim(instance, tmp_path, first) is None
    end(instance, first)
    assert lost(instance) == [first.run_id]
    second = start(instance)
    assert claim(instance, tmp_path, second) is None
    assert claim(instance, tmp_path, start(instance, first)) == second.run_id


def test_run_gives_way_to_a_retry_that_is_under_way(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    first = start(instance)
    claim(instance, tmp_path, first)
    end(instance, first)
    retry, other = start(instance, first), start(instance)
    assert lost(instance) == []
    assert claim(instance, tmp_path, other) == first.run_id
    assert claim(instance, tmp_path, retry) is None
    instance.add_run_tags(other.run_id, {CLAIMED_TAG: first.run_id})
    end(instance, retry)
    end(instance, other, RunFailureReason.STEP_FAILURE)
    assert lost(instance) == [retry.run_id], "the idle run has judged nothing"


@pytest.mark.parametrize("deaths", [1, 2, 3, 6])
def test_commit_runs_again_after_any_number_of_deaths(
    instance: dg.DagsterInstance, tmp_path: Path, deaths: int
) -> None:
    for _ in range(deaths):
        run = start(instance)
        assert claim(instance, tmp_path, run) is None
        end(instance, run)
    (found,) = find_lost(instance, HEADS, WatchSettings())
    assert (found.run, found.deaths) == (run.run_id, deaths)
    assert claim(instance, tmp_path, start(instance)) is None


def test_judged_commit_keeps_its_claim(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    first = start(instance)
    claim(instance, tmp_path, first)
    end(instance, first, RunFailureReason.STEP_FAILURE)
    assert lost(instance) == []
    assert claim(instance, tmp_path, start(instance)) == first.run_id


@pytest.mark.parametrize(
    "kind", [DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE], ids=["pass", "fail"]
)
def test_run_killed_after_its_op_ended_is_judged(
    instance: dg.DagsterInstance, tmp_path: Path, kind: DagsterEventType
) -> None:
    """Dagster retries it all the same; the retry has nothing to do."""
    run = start(instance)
    claim(instance, tmp_path, run)
    pass_op(instance, run, kind)
    end(instance, run)
    assert outcome(instance, run) is Outcome.JUDGED
    assert lost(instance) == []
    assert claim(instance, tmp_path, start(instance, run)) == run.run_id
    assert claim(instance, tmp_path, start(instance)) == run.run_id


@pytest.mark.parametrize(
    "reason",
    [
        RunFailureReason.UNEXPECTED_TERMINATION,
        RunFailureReason.START_TIMEOUT,
        RunFailureReason.JOB_INITIALIZATION_FAILURE,
        None,
    ],
)
def test_interrupted_or_unstarted_run_has_died(
    instance: dg.DagsterInstance, reason: RunFailureReason | None
) -> None:
    run = start(instance)
    if reason is RunFailureReason.UNEXPECTED_TERMINATION:
        pass_op(instance, run, DagsterEventType.STEP_FAILURE)
    end(instance, run, reason)
    assert outcome(instance, run) is Outcome.DIED
    assert lost(instance) == [run.run_id]


def test_cancelled_run_is_judged(instance: dg.DagsterInstance) -> None:
    run = start(instance)
    instance.report_run_canceled(run)
    assert outcome(instance, run) is Outcome.JUDGED


def test_reported_death_of_a_living_process_gives_no_other_run_the_commit(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """Dagster was wrong: the worker is locked. Only its end frees the commit."""
    first = start(instance)
    claim(instance, tmp_path, first)
    worker.appear(workers(instance), first.run_id)
    end(instance, first)
    assert lost(instance) == []
    second = start(instance)
    assert claim(instance, tmp_path, second) == first.run_id
    os.close(worker._held.pop())
    assert claim(instance, tmp_path, second) is None


def test_run_that_was_reported_as_ended_gets_no_claim(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """It started so late that its commit may run elsewhere."""
    run = start(instance)
    end(instance, run, RunFailureReason.START_TIMEOUT)
    assert claim(instance, tmp_path, run) == run.run_id


def test_forged_claim_keeps_no_lost_commit_from_its_run(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    first = start(instance)
    claim(instance, tmp_path, first)
    end(instance, first)
    (tmp_path / "claims" / f"main@{A}+1").write_text(f"other\n{'0' * 64}")
    assert claim(instance, tmp_path, start(instance)) is None


def test_only_the_head_is_lost_unless_each_commit_runs(instance: dg.DagsterInstance) -> None:
    run = start(instance)
    end(instance, run)
    moved = {"main": B}
    assert find_lost(instance, moved, WatchSettings()) == []
    assert len(find_lost(instance, moved, WatchSettings(commits=Commits.EACH))) == 1
    assert find_lost(instance, {}, WatchSettings(commits=Commits.EACH)) == []


def test_dagster_names_the_reasons_that_this_relies_on(instance: dg.DagsterInstance) -> None:
    run = start(instance)
    end(instance, run, RunFailureReason.STEP_FAILURE)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None and found.tags[RUN_FAILURE_REASON_TAG] == "STEP_FAILURE"
