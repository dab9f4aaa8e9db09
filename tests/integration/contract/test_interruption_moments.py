"""Runs that are interrupted at any moment end with one message, and never with a traceback."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from .refusal import INTERRUPTED
from .repository import Repository
from .running import Running, cleaned_up, processes_of, wait_for

#: What Python, SQLAlchemy and our last resort print about an error that none of them expects.
UNEXPECTED = ("Traceback", "Exception ignored", "unexpected error", "the Dagster run failed")


@pytest.fixture(autouse=True)
def nothing_left(repository: Repository) -> Iterator[None]:
    """Kill what a failed test has left."""
    with cleaned_up(repository):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("whole_group", [True, False], ids=["ctrl-c", "kill-int"])
@pytest.mark.parametrize("moment", [0.0, 0.3, 0.6, 1.0])
def test_interruption_after_the_last_stage_is_reported_as_one(
    repository: Repository, moment: float, whole_group: bool
) -> None:
    """While Dagster records, and while gates judge: a run of half a second is over by then."""
    repository.stages({f"s{n}": {"cmd": f"echo {n} > o{n}", "outs": [f"o{n}"]} for n in range(4)})
    running = Running(repository, "run")
    wait_for(lambda: (repository.project / "o3").exists(), "the last stage")
    time.sleep(moment)
    if running.process.poll() is None:
        send = os.killpg if whole_group else os.kill
        send(running.process.pid, signal.SIGINT)
    finished = running.finish(30)
    assert finished.code in (0, INTERRUPTED), finished
    assert not [text for text in UNEXPECTED if text in finished.stderr], finished
    if finished.code == INTERRUPTED:
        assert finished.stderr.splitlines()[-1].startswith("hint: "), finished
    assert processes_of(repository) == []
    assert repository.run().document["status"] == "passed"
    assert repository.repro().ran == {}
