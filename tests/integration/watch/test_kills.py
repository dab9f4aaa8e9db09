"""Processes are killed, and a disk is full: no commit is lost, and the state says what happened."""

from __future__ import annotations

import random
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest

from .pushed import STAGES, Pushed, make_pushed
from .service import ENDED, Daemon, Service, serve, wait_until

pytestmark = [pytest.mark.slow]

#: The second stage waits as long as a file outside of Git says.
WAITING = STAGES.replace(
    "cat data.txt depth.txt", "sleep $(cat {notes}.wait) && cat data.txt depth.txt"
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server over a repository whose second stage can be made to wait."""
    pushed = make_pushed(
        tmp_path_factory.mktemp("killed"), "[watch]\ninterval = 1\n", stages=WAITING
    )
    _wait(pushed, 0)
    with serve(pushed) as service:
        service.wait_for_tick()
        yield service


def _wait(pushed: Pushed, seconds: int) -> None:
    pushed.notes.with_name("stages.txt.wait").write_text(str(seconds))


def _start_waiting(service: Service, depth: str) -> tuple[str, dg.DagsterRun]:
    """Push a commit whose second stage waits; return it and its run, once it does."""
    _wait(service.pushed, 600)
    commit = service.pushed.push("main", {"depth.txt": f"{depth}\n"})
    wait_until(lambda: "train" in service.pushed.noted(commit), f"the slow stage: {depth}", 180)
    _wait(service.pushed, 0)
    return commit, service.runs(commit)[0]


def _wait_for_retry(service: Service, commit: str) -> list[dg.DagsterRun]:
    def look() -> list[dg.DagsterRun] | None:
        runs = service.runs(commit)
        return runs if len(runs) == 2 and all(run.status in ENDED for run in runs) else None

    return wait_until(look, "a second run that ends", 240)


def test_killed_worker_is_reported_and_its_commit_runs_again(service: Service) -> None:
    """The run that was killed has failed; one more run of the commit passes."""
    commit, run = _start_waiting(service, "worker")
    service.worker(run).kill()
    first, second = _wait_for_retry(service, commit)
    assert first.run_id == run.run_id
    assert first.status is dg.DagsterRunStatus.FAILURE
    assert second.status is dg.DagsterRunStatus.SUCCESS, service.why(second)
    assert second.root_run_id == first.run_id
    assert service.pushed.noted(commit)[-1] == "train"
    assert _stages(commit) == [], "the stage of the killed run goes on"


def test_commit_whose_every_run_is_killed_runs_again(service: Service) -> None:
    """Dagster retries once; after that the sensor asks, as often as the process is killed."""
    commit, run = _start_waiting(service, "twice")
    _wait(service.pushed, 600)
    for count in (1, 2):
        service.worker(run).kill()
        wait_until(lambda: service.pushed.noted(commit).count("train") > count, "a run", 240)
        run = service.runs(commit)[-1]
    _wait(service.pushed, 0)
    for process in service.find("sleep 600"):
        if process.name() == "sleep":
            process.send_signal(signal.SIGSTOP)
    service.worker(run).kill()

    def look() -> list[dg.DagsterRun] | None:
        runs = service.runs(commit)
        return runs if len(runs) == 4 and all(one.status in ENDED for one in runs) else None

    *died, last = wait_until(look, "a fourth run that ends", 240)
    assert {one.status for one in died} == {dg.DagsterRunStatus.FAILURE}
    assert last.status is dg.DagsterRunStatus.SUCCESS, service.why(last)
    assert _stages(commit) == [], "the stage of a killed run goes on"
    service.wait_until_idle()
    assert len(service.runs(commit)) == 4


def _stages(commit: str) -> list[int]:
    """Return the processes of stages in the worktree of a commit."""
    found = []
    for process in psutil.process_iter():
        try:
            variables = process.environ()
        except psutil.Error:
            continue
        if "DVC_STAGE" in variables and commit in variables.get("DVC_ROOT", ""):
            found.append(process.pid)
    return found


def test_killed_stage_fails_its_run_with_words(service: Service) -> None:
    """Its run is not tried again: it may have been killed for good reason. The next one goes on."""
    commit, _ = _start_waiting(service, "stage")
    for process in service.find("sleep 600"):
        if process.name() == "sleep":
            process.kill()
    run = service.wait_for_run(commit)
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert "train: command" in service.why(run)
    service.wait_for_pass(service.pushed.push("main", {"depth.txt": "after\n"}))
    assert len(service.runs(commit)) == 1


def test_full_disk_in_the_middle_of_a_run_fails_it_and_it_runs_again(service: Service) -> None:
    """A worker that can write nothing any more, not even into Dagster's storage, has failed."""
    commit, run = _start_waiting(service, "disk")
    service.worker(run).rlimit(resource.RLIMIT_FSIZE, (0, 0))
    for process in service.find("sleep 600"):
        process.send_signal(signal.SIGKILL)
    first, second = _wait_for_retry(service, commit)
    assert first.status is dg.DagsterRunStatus.FAILURE
    assert second.status is dg.DagsterRunStatus.SUCCESS, service.why(second)


def test_second_server_is_refused_beside_a_daemon_whose_parents_were_killed(
    tmp_path: Path,
) -> None:
    """It names the process to stop; without that process, it starts."""
    pushed = make_pushed(tmp_path, "[watch]\ninterval = 1\n")
    first = Service(pushed)
    family = first.family()
    try:
        with pytest.raises(AssertionError, match=f"storage: process {family[0].pid}\\b"):
            Service(pushed)
        (daemon,) = first.find("dagster._daemon")
        (server,) = first.find("web.server")
        for one in (family[0], server):
            one.suspend()
        for one in (family[0], server):
            one.kill()
        psutil.wait_procs([server], timeout=30)
        assert daemon.is_running()
        with pytest.raises(
            AssertionError, match=f"storage: process {daemon.pid}\\b.*kill {daemon.pid},"
        ):
            Service(pushed)
        daemon.terminate()
        assert psutil.wait_procs([daemon], timeout=60)[1] == []
        with serve(pushed) as second:
            second.wait_for_tick()
    finally:
        for one in family:
            if one.is_running():
                one.kill()
        first.kill()


@pytest.mark.parametrize("words", ["dagster._daemon", "web.server"])
def test_killed_server_process_is_started_again(service: Service, words: str) -> None:
    """The daemon, or the server that has started it: the next commit runs, and the UI answers."""
    for _ in range(3):  # one that ends as soon as it serves is not started again
        service.wait_for_tick()
    (process,) = service.find(words)
    process.kill()
    commit = service.pushed.push("main", {"depth.txt": f"{words}\n"})
    service.wait_for_pass(commit, 180)
    assert "main/model.txt" in service.assets()
    assert "a server process ended unexpectedly" in service.output


def test_killed_fork_server_is_started_again(service: Service) -> None:
    """The code servers that it has forked are replaced, and the next commit runs."""
    service.wait_for_tick()
    (code_server,) = service.named("code-server")
    fork_server = code_server.parent()
    assert fork_server is not None and "forkserver" in " ".join(fork_server.cmdline())
    fork_server.kill()
    service.wait_for_pass(service.pushed.push("main", {"depth.txt": "forked\n"}), 180)
    assert service.named("code-server")[0].pid != code_server.pid


def test_run_whose_code_server_was_killed_can_be_ended(service: Service) -> None:
    """A click on `Terminate` interrupts its process, which ends its stage, and it is cancelled."""
    commit, run = _start_waiting(service, "ended")
    worker = service.worker(run)
    for name in ("code-server", "definitions"):
        for process in service.named(name):
            process.kill()
    wait_until(lambda: service.named("code-server"), "another code server, of Dagster's")
    service.wait_for_tick(120)
    assert worker.is_running()
    answer = service.query(
        "mutation End($run: String!) { terminateRun(runId: $run) { __typename } }", run=run.run_id
    )
    assert answer["terminateRun"]["__typename"] == "TerminateRunSuccess"
    assert service.wait_for_run(commit).status is dg.DagsterRunStatus.CANCELED
    psutil.wait_procs([worker], timeout=30)
    assert not worker.is_running() and _stages(commit) == []
    service.wait_for_pass(service.pushed.push("main", {"depth.txt": "after the end\n"}))


def test_everything_killed_leaves_no_run_that_blocks_its_branch(service: Service) -> None:
    """The next server reports the run that nobody works at, and runs its commit again."""
    commit, run = _start_waiting(service, "everything")
    service.kill()
    later = service.pushed.push("main", {"depth.txt": "meanwhile\n"})
    with serve(service.pushed) as restarted:
        first, second = _wait_for_retry(restarted, commit)
        assert first.run_id == run.run_id
        assert first.status is dg.DagsterRunStatus.FAILURE
        assert "the process of this run was killed" in restarted.why(first)
        assert second.status is dg.DagsterRunStatus.SUCCESS, restarted.why(second)
        restarted.wait_for_pass(later)
        heads = restarted.cursor()["heads"]
        assert heads == {"main": later}


def test_daemon_killed_at_any_moment_loses_no_commit_and_runs_none_twice(tmp_path: Path) -> None:
    """Daemons are killed while commits come, two at a time for a while: each commit runs once."""
    settings = '[watch]\ninterval = 1\ncommits = "each"\nruns = 4\n'
    pushed = make_pushed(tmp_path, settings)
    with serve(pushed) as service:
        service.wait_for_tick()
        service.kill()
    commits: list[str] = []
    chance = random.Random(8)
    for number in range(5):
        daemon = Daemon(service)
        commits.append(pushed.push("main", {"depth.txt": f"{number}\n"}))
        wait_until(lambda: _is_looking(service), "a look", 60)
        time.sleep(chance.random() * 8)
        commits.append(pushed.push("main", {"depth.txt": f"{number} more\n"}))
        time.sleep(chance.random() * 4)
        assert daemon.running
        daemon.kill()
    pair = [Daemon(service), Daemon(service)]
    try:
        wait_until(lambda: _is_looking(service), "a look", 60)
        for number in range(3):
            commits.append(pushed.push("main", {"depth.txt": f"both {number}\n"}))
            time.sleep(chance.random() * 6)
        wait_until(lambda: all(_has_passed(service, one) for one in commits), "all runs", 400)
        assert [pushed.noted(commit).count("train") for commit in commits] == [1] * len(commits)
    finally:
        for daemon in pair:
            daemon.end()


def _is_looking(service: Service) -> bool:
    ticks = service.ticks()
    return bool(ticks) and ticks[0].timestamp > time.time() - 3


def _has_passed(service: Service, commit: str) -> bool:
    return any(run.status is dg.DagsterRunStatus.SUCCESS for run in service.runs(commit))
