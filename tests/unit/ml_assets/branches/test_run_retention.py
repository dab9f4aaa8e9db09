"""The oldest runs go from Dagster's storage; none that is in use or shown goes with them."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ml_assets.branches.branch_run import BRANCH_TAG, COMMIT_TAG, SENSOR, TRIGGER_TAG
from ml_assets.branches.run_retention import remove_runs
from ml_assets.orchestration.instance import worker
from ml_assets.orchestration.instance.home import use_instance_in
from ml_assets.orchestration.instance.launcher import workers

pytestmark = pytest.mark.process  # Dagster starts processes that copy the output

A, B = "a" * 40, "b" * 40
OUT, OTHER = dg.AssetKey(["main", "out.txt"]), dg.AssetKey(["main", "other.txt"])


_EVENTS: list[dg.AssetMaterialization | dg.AssetObservation] = []


@dg.op
def work(context: dg.OpExecutionContext) -> None:
    """Stand for the op of a branch, which records events of assets."""
    print("output")
    for event in _EVENTS:
        context.log_event(event)


@dg.job
def reproduce() -> None:
    """Stand for the job of a branch."""
    work()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance of a project, with its own storage."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    home = use_instance_in(tmp_path, 1)
    instance = dg.DagsterInstance.from_config(str(home))
    yield instance
    instance.dispose()


def run_at(
    instance: dg.DagsterInstance,
    commit: str,
    *events: dg.AssetMaterialization | dg.AssetObservation,
    **tags: str,
) -> str:
    """Execute a run of a commit that records events."""
    _EVENTS[:] = events
    named = {COMMIT_TAG: commit, **tags}
    return reproduce.execute_in_process(instance=instance, tags=named).run_id


def left(instance: dg.DagsterInstance) -> list[str]:
    return list(instance.get_run_ids())[::-1]


def files_of(instance: dg.DagsterInstance, run_id: str) -> list[Path]:
    return [one for one in Path(instance.root_directory).rglob(f"*{run_id}*")]


def test_oldest_runs_go_with_their_events_and_output(instance: dg.DagsterInstance) -> None:
    runs = [run_at(instance, A) for _ in range(4)]
    assert len(files_of(instance, runs[0])) > 1
    assert remove_runs(instance, 2, ()) == 2
    assert left(instance) == runs[2:]
    assert [bool(files_of(instance, one)) for one in runs] == [False, False, True, True]
    assert instance.all_logs(runs[3]) != []
    assert remove_runs(instance, 2, ()) == 0


def test_storage_of_few_runs_stays(instance: dg.DagsterInstance) -> None:
    runs = [run_at(instance, A) for _ in range(2)]
    assert remove_runs(instance, 3, ()) == 0
    assert remove_runs(instance, 2, ()) == 0
    assert left(instance) == runs


def test_runs_that_the_assets_show_stay(instance: dg.DagsterInstance) -> None:
    """The last materialization and the last observation, and not the ones before them."""
    made = dg.AssetMaterialization(OUT, metadata={"n": 1})
    runs = [
        run_at(instance, A, made),
        run_at(instance, A, dg.AssetMaterialization(OTHER)),
        run_at(instance, A, made),
        run_at(instance, A, dg.AssetObservation(OUT)),
        run_at(instance, A, dg.AssetObservation(OUT)),
        *(run_at(instance, A) for _ in range(2)),
    ]
    assert remove_runs(instance, 1, ()) == 3
    assert left(instance) == [runs[1], runs[2], runs[4], runs[6]]
    for key, run in ((OUT, runs[2]), (OTHER, runs[1])):
        event = instance.get_latest_materialization_event(key)
        assert event is not None and event.run_id == run
    (seen,) = instance.fetch_observations(OUT, limit=9).records
    assert seen.run_id == runs[4]


def test_runs_of_commits_in_use_stay(instance: dg.DagsterInstance) -> None:
    runs = [run_at(instance, commit) for commit in (A, B, A, B)]
    assert remove_runs(instance, 1, (B,)) == 2
    assert left(instance) == [runs[1], runs[3]]


REQUESTED = {BRANCH_TAG: "main", TRIGGER_TAG: SENSOR}


def killed_run(instance: dg.DagsterInstance, commit: str) -> str:
    """Record a run of a commit that the sensor requested and that has died."""
    tags = {COMMIT_TAG: commit, **REQUESTED}
    run = instance.create_run_for_job(reproduce, tags=tags, status=dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run)
    return run.run_id


def test_commit_that_passed_after_a_shown_run_had_died_keeps_both_runs(
    instance: dg.DagsterInstance,
) -> None:
    """Otherwise only the death is left, and the commit runs again."""
    shown = run_at(instance, A, dg.AssetMaterialization(OUT), **REQUESTED)
    passed = run_at(instance, A, **REQUESTED)
    for _ in range(2):
        run_at(instance, B, **REQUESTED)
    assert remove_runs(instance, 1, ()) == 0, "B also has the newest run"
    last = run_at(instance, "c" * 40, **REQUESTED)
    assert remove_runs(instance, 1, ()) == 2
    assert left(instance) == [shown, passed, last]


def test_commit_whose_runs_have_all_died_keeps_them(instance: dg.DagsterInstance) -> None:
    """Its claim names them: without them, it would count as held, and never run."""
    died = [killed_run(instance, A), killed_run(instance, A)]
    killed_run(instance, B)
    run_at(instance, B, **REQUESTED)
    newest = run_at(instance, "c" * 40)
    assert remove_runs(instance, 1, ()) == 2
    assert left(instance) == [*died, newest]


def test_run_that_goes_on_stays(instance: dg.DagsterInstance) -> None:
    """Also one that Dagster reported as failed while its process lives."""
    status = dg.DagsterRunStatus
    going = [
        instance.create_run_for_job(reproduce, status=one).run_id
        for one in (status.STARTED, status.CANCELING, status.NOT_STARTED)
    ]
    living = run_at(instance, A)
    worker.appear(workers(instance), living)
    ended = run_at(instance, A)
    newest = run_at(instance, A)
    assert remove_runs(instance, 1, ()) == 1
    assert left(instance) == [*going, living, newest]
    os.close(worker._held.pop())
    assert remove_runs(instance, 1, ()) == 1
    assert ended not in left(instance) and living not in left(instance)


def test_removal_ends_in_time_and_goes_on_later(instance: dg.DagsterInstance) -> None:
    runs = [run_at(instance, A) for _ in range(3)]
    assert remove_runs(instance, 1, (), seconds=-1.0) == 0
    assert left(instance) == runs
    assert remove_runs(instance, 1, ()) == 2
