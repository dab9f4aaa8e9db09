"""A soak test: random pushes and faults, after which each branch is as ``dvc repro`` leaves it.

Not part of ``make test``. ``SOAK_SECONDS=3600`` makes it last an hour, ``SOAK_SEED=N`` chooses the
pushes and faults.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psutil
import pytest

from .pushed import STAGES, Pushed, make_pushed
from .service import ENDED, Service, serve, wait_until

pytestmark = [pytest.mark.slow]

BRANCHES = ("main", "develop", "feature")
SETTINGS = f"[watch]\ninterval = 1\nruns = 2\nkeep-runs = 20\nbranches = {list(BRANCHES)}\n"
SECONDS = float(os.environ.get("SOAK_SECONDS", "30"))


class Soak:
    """Random pushes to watched branches, and random faults of what serves them."""

    def __init__(self, service: Service, seed: int) -> None:
        self._service = service
        self._pushed = service.pushed
        self._chance = random.Random(seed)
        self._graph = STAGES.format(notes=self._pushed.notes)
        self.heads: dict[str, str] = {}
        self.done: list[str] = []

    def run(self, seconds: float) -> None:
        """Act until the time is over, then push a last commit to each branch."""
        actions: dict[Callable[[], None], int] = {
            self.push: 6,
            self.push_everywhere: 2,
            self.amend: 3,
            self.break_graph: 1,
            self.lose_remote: 2,
            self.lose_store: 2,
            self.kill_worker: 3,
            self.kill_daemon: 1,
            self.kill_code_server: 1,
        }
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            (action,) = self._chance.choices(list(actions), list(actions.values()))
            self.done.append(action.__name__)
            action()
            time.sleep(self._chance.random() * 4)
        self.push_everywhere()

    def push(self) -> None:
        """Push a commit with another parameter, and with a graph that can be read."""
        self._push(self._chance.choice(BRANCHES))

    def push_everywhere(self) -> None:
        """Push to all branches at once."""
        for branch in BRANCHES:
            self._push(branch)

    def _push(self, branch: str) -> None:
        depth = f"{self._chance.randrange(6)}\n"
        files = {"depth.txt": depth, "dvc.yaml": self._graph, "note": f"{time.time()}\n"}
        self.heads[branch] = self._pushed.push(branch, files)

    def amend(self) -> None:
        """Replace the head of a branch."""
        branch = self._chance.choice(BRANCHES)
        self._push(branch)
        self._pushed.write({"note": f"amended {time.time()}\n"})
        self._pushed.git("commit", "--quiet", "--all", "--amend", "--message", "Another")
        self._pushed.git("push", "--quiet", "--force", "origin", branch)
        self.heads[branch] = self._pushed.git("rev-parse", "HEAD")

    def break_graph(self) -> None:
        """Push a graph that cannot be read."""
        branch = self._chance.choice(BRANCHES)
        self.heads[branch] = self._pushed.push(branch, {"dvc.yaml": "stages: [\n"})

    def lose_remote(self) -> None:
        """Take the Git remote away for a while."""
        with _away(self._pushed.remote):
            time.sleep(1 + self._chance.random() * 5)

    def lose_store(self) -> None:
        """Take the DVC remote away for a while."""
        with _away(self._pushed.store):
            time.sleep(1 + self._chance.random() * 5)

    def kill_worker(self) -> None:
        """Kill the process of a run."""
        running = [run for run in self._service.runs() if run.status is dg.DagsterRunStatus.STARTED]
        if running:
            try:
                self._service.worker(self._chance.choice(running)).kill()
            except (OSError, psutil.NoSuchProcess):
                pass  # it has just ended

    def kill_daemon(self) -> None:
        """Kill Dagster's daemon."""
        self._kill(self._service.find("dagster._daemon"))

    def kill_code_server(self) -> None:
        """Kill the processes that evaluate the sensor."""
        self._kill(self._service.named("code-server"))

    def _kill(self, processes: list[psutil.Process]) -> None:
        for process in processes:
            process.kill()


@contextmanager
def _away(directory: Path) -> Iterator[None]:
    aside = directory.with_name(f"{directory.name}-away")
    directory.rename(aside)
    directory.touch()  # DVC would make a directory, and push into it
    try:
        yield
    finally:
        directory.unlink()
        aside.rename(directory)


def _count_passed(service: Service, commit: str) -> int:
    return sum(run.status is dg.DagsterRunStatus.SUCCESS for run in service.runs(commit))


def _compare_with_dvc(pushed: Pushed, branch: str, commit: str) -> None:
    """The record of a branch equals what DVC makes of its commit, and its data can be pulled."""
    ref = f"refs/ml-assets/locks/{branch}"
    recorded = pushed.must("git", "show", f"{ref}:dvc.lock", directory=pushed.remote)
    clones = {name: pushed.home / f"{branch}-{name}" for name in ("pulled", "made")}
    for clone in clones.values():
        pushed.must("git", "clone", "--quiet", str(pushed.remote), str(clone))
        pushed.must("git", "checkout", "--quiet", commit, directory=clone)
    (clones["pulled"] / "dvc.lock").write_text(recorded + "\n", encoding="utf-8")
    pushed.must("dvc", "pull", "--quiet", directory=clones["pulled"])
    assert "up to date" in pushed.must("dvc", "status", directory=clones["pulled"])
    pushed.must("dvc", "repro", "--quiet", directory=clones["made"])
    assert (clones["made"] / "dvc.lock").read_text(encoding="utf-8").strip() == recorded


def test_branches_end_as_dvc_repro_leaves_them_after_random_faults(tmp_path: Path) -> None:
    seed = int(os.environ.get("SOAK_SEED", "1"))
    pushed = make_pushed(tmp_path, SETTINGS)
    for branch in BRANCHES[1:]:
        pushed.git("push", "--quiet", "origin", f"main:refs/heads/{branch}")
    with serve(pushed) as service:
        service.wait_for_tick()
        soak = Soak(service, seed)
        soak.run(SECONDS)
        story = f"seed {seed}: {Counter(soak.done)}\n{service.output[-4000:]}"

        for branch, commit in soak.heads.items():
            wait_until(lambda: _count_passed(service, commit) > 0, f"{branch}: {story}", 300)
        wait_until(lambda: all(run.status in ENDED for run in service.runs()), story, 120)

        commits = [run.tags["ml-assets/commit"] for run in service.runs()]
        twice = [one for one in set(commits) if _count_passed(service, one) > 1]
        assert twice == [], story
    for branch, commit in soak.heads.items():
        _compare_with_dvc(pushed, branch, commit)
