"""The run launcher: of all who launch a run, one does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.launcher import LaunchRunContext

from ml_assets.orchestration.instance.home import use_instance_in
from ml_assets.orchestration.instance.launcher import WatchedRunLauncher, workers
from ml_assets.orchestration.instance.worker import appear, claim_launch, give_launch_up


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance as `ml-assets ui` makes it."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    use_instance_in(tmp_path, 2)
    with dg.DagsterInstance.get() as instance:
        yield instance


@pytest.fixture
def run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """A run that waits in the queue, and that nothing is loaded for: to launch it raises."""
    return instance.create_run_for_job(
        dg.Definitions(assets=[dg.AssetSpec("a")], jobs=[_job()]).resolve_job_def("nothing")
    )


def _job() -> dg.JobDefinition:
    @dg.op
    def do_nothing() -> None:
        pass

    @dg.job
    def nothing() -> None:
        do_nothing()

    return nothing


def _launch(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    launcher = instance.run_launcher
    assert isinstance(launcher, WatchedRunLauncher)
    launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))


def test_run_that_another_daemon_has_launched_is_left_alone(
    instance: dg.DagsterInstance, run: dg.DagsterRun
) -> None:
    assert claim_launch(workers(instance), run.run_id)
    _launch(instance, run)

    give_launch_up(workers(instance), run.run_id)
    with pytest.raises(DagsterInvariantViolationError):
        _launch(instance, run)


def test_run_that_could_not_be_launched_can_be_launched_again(
    instance: dg.DagsterInstance, run: dg.DagsterRun
) -> None:
    for _ in range(2):
        with pytest.raises(DagsterInvariantViolationError):
            _launch(instance, run)


def test_run_whose_process_is_there_is_not_launched_again(
    instance: dg.DagsterInstance, run: dg.DagsterRun
) -> None:
    """Whatever went wrong after it had begun: no second process, whose end would fail the run."""
    appear(workers(instance), run.run_id)
    with pytest.raises(DagsterInvariantViolationError):
        _launch(instance, run)
    _launch(instance, run)


def test_one_of_many_at_once_launches(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: claim_launch(tmp_path / "workers", "a-run"), range(64)))
    assert claims.count(True) == 1
