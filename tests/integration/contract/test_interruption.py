"""Runs that are stopped, killed leave a repository in which the next run just works."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from .refusal import INTERRUPTED
from .repository import Repository
from .running import Running, cleaned_up, processes_of, slow_pipeline, wait_for

GRANDCHILDREN = "sh -c 'sleep 300 & echo $! > ../outside/grandchild; wait' & echo $$ > child; wait"


@pytest.fixture(autouse=True)
def nothing_left(repository: Repository) -> Iterator[None]:
    """Kill what a failed test has left."""
    with cleaned_up(repository):
        yield


def mend(repository: Repository, command: str = "touch started; sleep 300") -> None:
    """Make the slow stage quick."""
    repository.edit("dvc.yaml", command, "echo quick")


def assert_only_quick_is_recorded(repository: Repository) -> None:
    """The lock holds exactly what finished, and DVC agrees."""
    lock = (repository.project / "dvc.lock").read_text(encoding="utf-8")
    assert "  quick:" in lock and "  slow:" not in lock and "  after:" not in lock
    assert sorted(json.loads(repository.dvc("status", "--json").stdout)) == ["after", "slow"]
    ignored = (repository.project / ".gitignore").read_text(encoding="utf-8").split()
    assert "/quick" in ignored


def test_interrupt_stops_the_stage_and_keeps_what_finished(repository: Repository) -> None:
    slow_pipeline(repository)
    running = Running(repository, "run")
    running.wait_for_file("started")
    assert len(processes_of(repository)) >= 2
    running.interrupt()
    finished = running.finish(20)
    assert finished.code == INTERRUPTED, finished
    assert "Traceback" not in finished.stderr, finished
    assert finished.stderr.splitlines()[-1].startswith("hint: "), finished
    assert processes_of(repository) == []
    assert_only_quick_is_recorded(repository)
    mend(repository)
    assert sorted(repository.run().ran) == ["after", "slow"]
    assert repository.repro().ran == {}


@pytest.mark.slow
def test_interrupt_of_a_run_that_goes_on_for_a_while_is_no_different(
    repository: Repository,
) -> None:
    """By then everything that runs beside the stages has started as well."""
    slow_pipeline(repository)
    running = Running(repository, "run")
    running.wait_for_file("started")
    time.sleep(8)
    running.interrupt()
    finished = running.finish(20)
    assert finished.code == INTERRUPTED, finished
    assert "Traceback" not in finished.stderr, finished
    assert processes_of(repository) == []
    assert_only_quick_is_recorded(repository)


def test_interrupt_with_json_answers_with_one_document(repository: Repository) -> None:
    slow_pipeline(repository)
    running = Running(repository, "run", "--json")
    running.wait_for_file("started")
    running.interrupt()
    finished = running.finish(20)
    assert finished.code == INTERRUPTED, finished
    assert set(finished.document["error"]) >= {"kind", "message", "hint"}


@pytest.mark.parametrize("whole_group", [True, False], ids=["ctrl-c", "kill-int"])
def test_interrupt_reaches_grandchildren(repository: Repository, whole_group: bool) -> None:
    slow_pipeline(repository, GRANDCHILDREN)
    running = Running(repository, "run")
    running.wait_for_file("../outside/grandchild")
    pids = {process.pid for process in processes_of(repository)}
    assert int((repository.outside / "grandchild").read_text(encoding="utf-8")) in pids
    if whole_group:
        running.interrupt()
    else:
        running.process.send_signal(signal.SIGINT)
    finished = running.finish(20)
    assert finished.code == INTERRUPTED, finished
    wait_for(lambda: processes_of(repository) == [], "the grandchild's end", 5)


@pytest.mark.slow
def test_stage_that_ignores_the_interrupt_is_killed(repository: Repository) -> None:
    deaf = "trap '' INT TERM; touch started; for i in 1 2 3 4 5 6 7 8 9; do sleep 30; done"
    slow_pipeline(repository, deaf)
    running = Running(repository, "run")
    running.wait_for_file("started")
    running.interrupt()
    finished = running.finish(40)
    assert finished.code == INTERRUPTED, finished
    wait_for(lambda: processes_of(repository) == [], "the deaf stage's end", 5)
    assert_only_quick_is_recorded(repository)


def test_terminate_stops_the_stage(repository: Repository) -> None:
    """What a CI job or a service manager sends."""
    slow_pipeline(repository)
    running = Running(repository, "run")
    running.wait_for_file("started")
    running.process.terminate()
    finished = running.finish(20)
    assert finished.code not in (0, 1), finished
    wait_for(lambda: processes_of(repository) == [], "the stage's end", 5)
    assert_only_quick_is_recorded(repository)


def test_interrupt_of_parallel_stages_stops_all(repository: Repository) -> None:
    stages = {
        f"s{number}": {"cmd": f"touch started{number}; sleep 300", "outs": [f"o{number}"]}
        for number in range(3)
    }
    repository.stages({**stages, "quick": {"cmd": "echo > quick", "outs": ["quick"]}})
    running = Running(repository, "run", "--jobs", "4")
    for number in range(3):
        running.wait_for_file(f"started{number}")
    assert len(processes_of(repository)) > 3
    wait_for(lambda: (repository.project / "quick").exists(), "the quick stage")
    running.interrupt()
    finished = running.finish(20)
    assert finished.code == INTERRUPTED, finished
    assert processes_of(repository) == []


@pytest.mark.parametrize("successor", ["ml-assets", "dvc"])
def test_killed_run_leaves_a_repository_that_works(repository: Repository, successor: str) -> None:
    slow_pipeline(repository)
    running = Running(repository, "run")
    running.wait_for_file("started")
    running.process.kill()
    running.finish(10)
    for process in processes_of(repository):
        process.kill()
    mend(repository)
    finished = repository.run() if successor == "ml-assets" else repository.repro()
    assert {"slow", "after"} <= set(finished.ran), finished
    assert repository.repro().ran == {}
    assert repository.run().ran == {}
    assert repository.dvc("status", "--json").stdout.strip() == "{}"


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.02, 0.1, 0.4])
def test_run_killed_at_any_moment_leaves_a_repository_that_works(
    repository: Repository, moment: float
) -> None:
    """Kill while quick stages end: the lock is whole, and what it says is true."""
    repository.stages(
        {
            f"s{number:02}": {
                "cmd": f"sleep 0.02; mkdir o{number}; echo {number} > o{number}/file",
                "outs": [f"o{number}"],
            }
            for number in range(30)
        }
    )
    running = Running(repository, "run", "--jobs", "2")
    wait_for(lambda: repository.notes.exists() or running.process.poll() is not None, "a stage")
    time.sleep(moment)
    running.process.kill()
    running.finish(10)
    wait_for(lambda: processes_of(repository) == [], "the last quick stage's end", 5)
    assert repository.dvc("status", "--json").code == 0
    mended = repository.run()
    assert mended.document["status"] == "passed"
    assert repository.repro().ran == {}
    for number in range(30):
        content = (repository.project / f"o{number}" / "file").read_text(encoding="utf-8")
        assert content == f"{number}\n"


@pytest.mark.parametrize(
    "content", ["{", "", '{"a": {"write": {"pid": 1', "[]", "\x00\x00"], ids=range(5)
)
def test_broken_rwlock_is_recovered_from(repository: Repository, content: str) -> None:
    """What an interrupted DVC can leave, and every DVC command then fails on."""
    repository.stages({"a": {"cmd": "echo > a", "outs": ["a"]}})
    repository.write(".dvc/tmp/rwlock", content)
    finished = repository.ml_assets("run")
    assert finished.code == 0, finished
    assert sorted(finished.ran) == ["a"]
    assert "rwlock" in finished.stderr, finished
    assert repository.repro().ran == {}


def test_lock_of_a_dead_process_is_recovered_from(repository: Repository) -> None:
    """What a killed DVC leaves: an entry of a process that is no more."""
    repository.stages({"a": {"cmd": "echo > a", "outs": ["a"]}})
    dead = max(psutil.pids()) + 100_000
    path = repository.project / "a"
    entry = f'{{"pid": {dead}, "cmd": "dvc repro"}}'
    repository.write(".dvc/tmp/rwlock", f'{{"write": {{"{path}": {entry}}}}}')
    assert sorted(repository.run().ran) == ["a"]
    assert repository.repro().ran == {}


def late_first(repository: Repository) -> None:
    """Write stages of which the first two of the graph end last."""
    slow = "touch started; sleep 300"
    repository.stages(
        {
            "a": {"cmd": slow, "outs": ["a"]},
            "b": {"cmd": "echo b > b", "outs": ["b"]},
            "c": {"cmd": "cp a c", "deps": ["a"], "outs": ["c"]},
            "d": {"cmd": "echo d > d", "outs": ["d"]},
        }
    )


def ended_early(repository: Repository, *, killed: bool) -> None:
    """Run until stages are recorded, then stop."""
    running = Running(repository, "run", "--jobs", "3")
    running.wait_for_file("started")
    for name in ("dvc.lock", "b", "d"):
        wait_for((repository.project / name).exists, f"the end of a stage: {name}")
    if killed:
        running.process.kill()
    else:
        running.process.send_signal(signal.SIGINT)
    running.finish(20)
    for process in processes_of(repository):
        process.kill()


@pytest.mark.parametrize("killed", [False, True], ids=["interrupted", "killed"])
def test_entries_stand_as_after_an_undisturbed_run(
    repository: Repository, tmp_path: Path, killed: bool
) -> None:
    late_first(repository)
    ended_early(repository, killed=killed)
    repository.edit("dvc.yaml", "touch started; sleep 300", "echo a > a")
    reference = repository.copy(tmp_path / "reference")
    reference.remove("dvc.lock", "b", "d")
    reference.repro()

    assert {"a", "c"} <= set(repository.run().ran)

    expected = (reference.project / "dvc.lock").read_bytes()
    assert (repository.project / "dvc.lock").read_bytes() == expected
    assert repository.repro().ran == {}


def test_entries_that_another_program_has_ordered_stay(repository: Repository) -> None:
    """DVC goes on after the interruption, and appends; then nothing is moved any more."""
    late_first(repository)
    ended_early(repository, killed=False)
    repository.edit("dvc.yaml", "touch started; sleep 300", "echo a > a")
    repository.repro()
    text = (repository.project / "dvc.lock").read_text("utf-8")
    repository.edit("dvc.yaml", "echo d > d", "echo dd > d")

    assert sorted(repository.run().ran) == ["d"]

    names = [line for line in text.splitlines() if line[:2] == "  " and line[2] != " "]
    after = (repository.project / "dvc.lock").read_text("utf-8")
    assert [line for line in after.splitlines() if line in names] == names


def test_stage_that_failed_is_appended_as_by_dvc(repository: Repository, tmp_path: Path) -> None:
    repository.stages(
        {
            "a": {"cmd": "exit 1", "outs": ["a"]},
            "b": {"cmd": "echo b > b", "outs": ["b"]},
        }
    )
    reference = repository.copy(tmp_path / "reference")
    reference.try_dvc("repro", "--keep-going")
    assert repository.ml_assets("run", "--keep-going").code == 1
    for one in (reference, repository):
        one.edit("dvc.yaml", "exit 1", "echo a > a")
    reference.repro()

    repository.run()

    expected = (reference.project / "dvc.lock").read_bytes()
    assert (repository.project / "dvc.lock").read_bytes() == expected
