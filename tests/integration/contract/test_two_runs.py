"""Two at once in one checkout, and what a failure does to the stages beside it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .comparison import Pair
from .refusal import INTERRUPTED, assert_two_lines
from .repository import Repository
from .running import Running, cleaned_up, slow_pipeline, wait_for


@pytest.fixture(autouse=True)
def nothing_left(repository: Repository) -> Iterator[None]:
    """Kill what a failed test has left."""
    with cleaned_up(repository):
        yield


def test_second_run_waits_for_the_first(repository: Repository) -> None:
    slow_pipeline(repository, "touch started; while ! test -e go; do sleep 0.05; done")
    first = Running(repository, "run", "--json")
    first.wait_for_file("started")
    other = Repository(repository.home, repository.tools)
    second = Running(other, "run", "--json")
    second_process = second.process
    with pytest.raises(subprocess.TimeoutExpired):
        second_process.wait(timeout=3)
    repository.write("go", "")
    ended = first.finish()
    assert ended.code == 0, ended
    assert second_process.wait(timeout=30) == 0
    commands = [command for ran in repository.ran().values() for command in ran]
    assert len(commands) <= 3, "no stage ran twice"
    assert repository.dvc("status", "--json").stdout.strip() == "{}"


def test_second_run_that_may_not_wait_says_so(repository: Repository) -> None:
    slow_pipeline(repository)
    first = Running(repository, "run")
    first.wait_for_file("started")
    second = repository.ml_assets_script("run", "--wait", "0.5")
    assert second.code not in (0, 1), second
    assert_two_lines(second)
    assert str(first.process.pid) in second.stderr or "run" in second.stderr
    first.interrupt()
    assert first.finish(20).code == INTERRUPTED


def test_run_waits_for_or_refuses_beside_dvc_repro(repository: Repository) -> None:
    """DVC holds its own lock in a stage's inputs: nothing may be written over it."""
    slow_pipeline(repository, "touch started; while ! test -e go; do sleep 0.05; done")
    repository.notes.unlink(missing_ok=True)
    dvc = subprocess.Popen(
        [Path(sys.executable).with_name("dvc"), "repro", "--quiet"],
        cwd=repository.project,
        env=repository.environment(),
    )
    try:
        wait_for(lambda: (repository.project / "started").exists(), "dvc repro's stage")
        second = Running(Repository(repository.home, repository.tools), "run", "--wait", "1")
        refused = second.finish(30)
        assert refused.code not in (0, 1), refused
        assert_two_lines(refused)
    finally:
        repository.write("go", "")
        assert dvc.wait(timeout=30) == 0
    assert repository.run().ran == {}
    assert repository.dvc("status", "--json").stdout.strip() == "{}"


PairOf = Callable[[Repository], Pair]


def failing(repository: Repository) -> None:
    """A stage that fails at once beside a chain that takes a moment."""
    repository.stages(
        {
            "bad": {"cmd": "exit 1", "outs": ["bad"]},
            "after_bad": {"cmd": "cp bad after_bad", "deps": ["bad"], "outs": ["after_bad"]},
            "good": {"cmd": "sleep 1; echo > good", "outs": ["good"]},
            "after_good": {
                "cmd": "cp good after_good",
                "deps": ["good"],
                "outs": ["after_good"],
            },
        }
    )


def test_first_failure_starts_nothing_more(repository: Repository) -> None:
    failing(repository)
    finished = repository.ml_assets("run", "--jobs", "2")
    assert finished.code == 1, finished
    assert "bad" in finished.ran
    assert {"after_bad", "after_good"}.isdisjoint(finished.ran), finished
    mended = repository.project / "dvc.yaml"
    mended.write_text(mended.read_text().replace("exit 1", "echo > bad"), encoding="utf-8")
    repository.run()
    assert repository.repro().ran == {}


def test_keep_going_runs_what_can_run_as_dvc_repro_does(
    repository: Repository, pair_of: PairOf
) -> None:
    failing(repository)
    pair = pair_of(repository)
    expected = pair.reference.try_dvc("repro", "--all-pipelines", "--keep-going")
    assert expected.code != 0
    finished = pair.judged.ml_assets("run", "--keep-going")
    assert finished.code == 1, finished
    assert finished.ran == expected.ran
    locks = [one.project / "dvc.lock" for one in (pair.reference, pair.judged)]
    assert locks[0].read_bytes() == locks[1].read_bytes()
