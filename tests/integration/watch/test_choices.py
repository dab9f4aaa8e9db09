"""What the settings choose: which commits run, how many at a time, what becomes of older runs."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from .pushed import STAGES, make_pushed
from .service import ENDED, Service, serve, wait_until

pytestmark = pytest.mark.slow

#: The second stage waits as long as a file says.
SLOW = STAGES.replace("cat data.txt depth.txt", "sleep $(cat wait.txt) && cat data.txt depth.txt")


def _times(service: Service, run: dg.DagsterRun) -> tuple[float, float]:
    with service.instance() as instance:
        record = instance.get_run_record_by_id(run.run_id)
    assert record is not None and record.start_time and record.end_time
    return record.start_time, record.end_time


def test_each_commit_runs_in_order_and_no_more_than_so_many_at_a_time(tmp_path: Path) -> None:
    """Three commits of one push are three runs, and two branches share the one place."""
    settings = '[watch]\ninterval = 1\ncommits = "each"\nruns = 1\n'
    pushed = make_pushed(tmp_path, settings)
    pushed.git("push", "--quiet", "origin", "main:refs/heads/develop")
    with serve(pushed) as service:
        service.wait_for_tick()
        pushed.switch("develop")
        commits = [pushed.commit({"depth.txt": f"{number}\n"}) for number in range(2)]
        commits.append(pushed.push("develop", {"depth.txt": "last\n"}))
        other = pushed.push("main", {"depth.txt": "other\n"})
        runs = [service.wait_for_pass(commit, 240) for commit in commits]
        runs.append(service.wait_for_pass(other, 240))
        times = [_times(service, run) for run in runs]
    starts = [start for start, _ in times[:3]]
    assert starts == sorted(starts)
    ordered = sorted(times)
    assert all(end <= start for (_, end), (start, _) in zip(ordered, ordered[1:], strict=False))
    assert len(pushed.notes.read_text().splitlines()) == 5  # `prepare` is restored after the first


def test_newer_commit_cancels_an_older_run_and_a_record_on_the_branch_is_no_loop(
    tmp_path: Path,
) -> None:
    """The older run ends as cancelled; the newer one's own commit of its locks does not run."""
    settings = '[watch]\ninterval = 1\nolder = "cancel"\nwrite-back = "commit"\n'
    pushed = make_pushed(
        tmp_path, settings, stages=SLOW.replace("depth.txt]", "depth.txt, wait.txt]")
    )
    pushed.push("main", {"wait.txt": "0\n"})
    with serve(pushed) as service:
        service.wait_for_tick()
        older = pushed.push("main", {"wait.txt": "300\n"})
        wait_until(lambda: "train" in pushed.noted(older), "the slow stage")
        newer = pushed.push("main", {"wait.txt": "0\n"})
        service.wait_for_pass(newer)
        assert service.wait_for_run(older).status is dg.DagsterRunStatus.CANCELED
        assert service.find("sleep 300") == []
        record = pushed.read_remote("refs/heads/main")
        assert record is not None and record != newer
        pushed.git("fetch", "--quiet", "origin")
        assert pushed.git("rev-parse", f"{record}^") == newer
        assert pushed.git("diff", "--name-only", newer, record) == "dvc.lock"
        service.wait_for_tick()
        service.wait_until_idle()
        assert service.runs(record) == []
        assert any(f"{record[:12]}: written by a run" in one for one in service.said())
        assert pushed.read_remote("refs/heads/main") == record
        pushed.git("reset", "--quiet", "--hard", record)
        after = pushed.push("main", {"depth.txt": "after\n"})
        service.wait_for_pass(after)
        assert pushed.noted(after) == ["train"]
        assert all(run.status in ENDED for run in service.runs())


def test_repository_without_a_checkout_is_watched(tmp_path: Path) -> None:
    """`ml-assets ui URL` needs none; its settings are those of the branch that it protects."""
    pushed = make_pushed(tmp_path, "[watch]\ninterval = 1\n")
    with serve(pushed, str(pushed.remote), checkout=False) as service:
        service.wait_for_tick()
        commit = pushed.push("main", {"depth.txt": "2\n"})
        service.wait_for_pass(commit)
        assert pushed.noted(commit) == ["prepare", "train"]
