"""The end of a command: closed outputs, processes left behind, and cancellation."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from resources.dvc.run.stage_environment import StageEnvironment, stage_variables
from resources.dvc.run.stage_process import Cancellation, Usage, run_command
from security.sandbox.file_view import FileView
from security.sandbox.process_domain import can_confine_signals

pytestmark = pytest.mark.process


def run(
    command: str,
    directory: Path,
    cancellation: Cancellation | None = None,
    stage: str = "train",
    view: FileView | None = None,
    seconds: float = math.inf,
) -> Usage:
    return run_command(
        ["/bin/sh", "-c", command],
        cwd=str(directory),
        variables=stage_variables(
            StageEnvironment({"PATH": os.environ["PATH"]}, withheld=()), str(directory), stage
        ),
        on_line=lambda line: None,
        cancellation=cancellation or Cancellation(),
        view=view,
        seconds=seconds,
    )


def wait_for(file: Path) -> str:
    deadline = time.monotonic() + 20
    while not (file.exists() and file.read_text().endswith("\n")):
        assert time.monotonic() < deadline, f"never written: {file}"
        time.sleep(0.01)
    return file.read_text().strip()


def has_ended(pid: int, within: float = 5) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_command_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    usage = run("exec >&- 2>&-; sleep 0.4; touch done", tmp_path)

    assert (tmp_path / "done").exists()
    assert usage.seconds >= 0.4
    assert usage.exit_code == 0


def test_waiting_for_it_takes_no_processor_time(tmp_path: Path) -> None:
    before = time.thread_time()

    run("exec >&- 2>&-; sleep 0.5", tmp_path)

    assert time.thread_time() - before < 0.1


@pytest.fixture
def leftover(tmp_path: Path) -> Iterator[Path]:
    """A script that writes its process id and stays; stopped here if nobody else does."""
    (tmp_path / "stay.sh").write_text("echo $$ > pid; exec sleep 60\n")
    yield tmp_path / "pid"
    if (tmp_path / "pid").exists() and psutil.pid_exists(int((tmp_path / "pid").read_text())):
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    "leave",
    [
        "sh stay.sh &",
        "sh stay.sh >/dev/null 2>&1 &",
        "nohup sh stay.sh &",
        "(sh stay.sh &)",
        "setsid sh stay.sh &",
        "setsid sh -c 'setsid sh stay.sh & sleep 60' &",
        "(nohup setsid sh stay.sh >/dev/null 2>&1 &)",
    ],
)
def test_process_left_behind_is_stopped(tmp_path: Path, leftover: Path, leave: str) -> None:
    usage = run(f"{leave}\nuntil [ -s pid ]; do sleep 0.01; done", tmp_path)

    assert usage.exit_code == 0
    assert usage.seconds < 10
    assert has_ended(int(leftover.read_text()), within=1)


@pytest.mark.skipif(not can_confine_signals(), reason="needs Linux 6.12 with Landlock")
@pytest.mark.parametrize(
    "leave",
    [
        "setsid sh stay.sh &",
        "setsid env -i /bin/sh stay.sh >/dev/null 2>&1 &",
        "setsid sh -c 'setsid env -i /bin/sh stay.sh & exit' >/dev/null 2>&1 &",
    ],
)
def test_confined_process_left_behind_is_stopped_whatever_it_cleared(
    tmp_path: Path, leftover: Path, leave: str
) -> None:
    usage = run(f"{leave}\nuntil [ -s pid ]; do sleep 0.01; done", tmp_path, view=FileView())

    assert usage.exit_code == 0
    assert has_ended(int(leftover.read_text()), within=1)


def test_process_in_a_session_of_its_own_is_left_to_its_own_stage(
    tmp_path: Path, leftover: Path
) -> None:
    finished = threading.Event()

    def run_slow() -> None:
        run("setsid sh stay.sh & until [ -e go ]; do sleep 0.01; done", tmp_path, stage="slow")
        finished.set()

    thread = threading.Thread(target=run_slow)
    thread.start()
    pid = int(wait_for(leftover))

    run("true", tmp_path, stage="quick")

    assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    (tmp_path / "go").touch()
    assert finished.wait(10)
    assert has_ended(pid, within=1)
    thread.join()


def test_our_own_children_are_not_taken_for_leftovers(tmp_path: Path) -> None:
    variables = {"DVC_ROOT": str(tmp_path), "DVC_STAGE": "train"}
    ours = subprocess.Popen(["sleep", "60"], env={**os.environ, **variables})

    run("true", tmp_path)

    assert ours.poll() is None
    ours.kill()
    ours.wait()


def test_process_left_behind_writes_no_more(tmp_path: Path) -> None:
    usage = run("(while true; do echo x >> out; done) & sleep 0.2; exit 3", tmp_path)

    size = (tmp_path / "out").stat().st_size
    time.sleep(0.1)
    assert usage.exit_code == 3
    assert size > 0
    assert (tmp_path / "out").stat().st_size == size


def test_command_in_the_background_that_holds_the_output_does_not_hold_us(tmp_path: Path) -> None:
    usage = run("sleep 60 & echo started", tmp_path)

    assert usage.seconds < 10


def cancel_soon(command: str, directory: Path, wait: float = 20) -> tuple[Usage, float, list[int]]:
    """Cancel a command that writes the ids of its processes to ``pids``."""
    cancellation = Cancellation()
    found: list[Usage] = []
    thread = threading.Thread(target=lambda: found.append(run(command, directory, cancellation)))
    thread.start()
    pids = [int(word) for word in wait_for(directory / "pids").split()]
    started = time.monotonic()
    cancellation.cancel()
    thread.join(wait)
    assert found, "the command was not stopped"
    return found[0], time.monotonic() - started, pids


def test_cancellation_stops_the_whole_tree_at_once(tmp_path: Path) -> None:
    tree = "sh -c 'sleep 60 & echo $$ $! > pids; wait'; true"

    usage, seconds, pids = cancel_soon(tree, tmp_path)

    assert usage.exit_code == -signal.SIGTERM
    assert seconds < 3
    assert [pid for pid in pids if not has_ended(pid)] == []


def test_cancelled_command_may_clean_up(tmp_path: Path) -> None:
    command = "trap 'echo cleaned > cleaned; exit 7' TERM; echo $$ > pids; sleep 60 & wait"

    usage, seconds, _ = cancel_soon(command, tmp_path)

    assert (tmp_path / "cleaned").read_text() == "cleaned\n"
    assert usage.exit_code == 7
    assert seconds < 3


def test_command_that_will_not_end_is_ended_after_the_grace(tmp_path: Path) -> None:
    program = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.getpid(), file=open('pids', 'w'))\n"
        "time.sleep(60)\n"
    )
    (tmp_path / "stubborn.py").write_text(program)

    usage, seconds, pids = cancel_soon(f"exec {sys.executable} stubborn.py", tmp_path)

    assert usage.exit_code == -signal.SIGKILL
    assert 4 < seconds < 10
    assert [pid for pid in pids if not has_ended(pid)] == []


def test_command_that_never_stops_talking_is_cancelled_too(tmp_path: Path) -> None:
    usage, seconds, _ = cancel_soon("echo $$ > pids; exec yes", tmp_path)

    assert usage.exit_code == -signal.SIGTERM
    assert seconds < 3


def test_command_that_closed_its_output_is_cancelled_too(tmp_path: Path) -> None:
    usage, seconds, _ = cancel_soon("exec >&- 2>&-; echo $$ > pids; exec sleep 60", tmp_path)

    assert usage.exit_code == -signal.SIGTERM
    assert seconds < 3


def test_reader_that_fails_does_not_leave_the_command_running(tmp_path: Path) -> None:
    def fail(line: str) -> None:
        raise RuntimeError(line)

    with pytest.raises(RuntimeError) as error:
        run_command(
            ["/bin/sh", "-c", "echo $$; exec sleep 60"],
            cwd=str(tmp_path),
            variables={"PATH": os.environ["PATH"]},
            on_line=fail,
            cancellation=Cancellation(),
        )

    assert has_ended(int(str(error.value)))


#: Runs in an interpreter of its own: what other tests in this process left is not its business.
COUNT_ZOMBIES = """
import sys
from pathlib import Path

import psutil
from test_command_end import run

run(sys.argv[1], Path(sys.argv[2]))
children = psutil.Process().children()
print(len([child for child in children if child.status() == psutil.STATUS_ZOMBIE]))
"""


@pytest.mark.parametrize(
    "leave",
    [
        "sleep 60 & true",
        "(setsid true &); sleep 0.1",
        "(setsid sh -c 'sleep 60 & true' &); sleep 0.1",
    ],
)
def test_nothing_is_left_to_be_reaped(tmp_path: Path, leave: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_ZOMBIES, leave, os.fspath(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "0\n"


def test_commands_that_end_at_once_do_not_take_what_another_one_left(tmp_path: Path) -> None:
    leave = "(setsid sleep 60 >/dev/null 2>&1 &); (setsid true &); exit 5"
    usages: list[Usage] = []
    before = set(psutil.Process().children())

    def run_some(number: int) -> None:
        for _ in range(15):
            usages.append(run(leave, tmp_path, stage=f"stage{number}"))

    threads = [threading.Thread(target=run_some, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [usage.exit_code for usage in usages] == [5] * 90
    children = set(psutil.Process().children()) - before
    assert [child for child in children if child.name() in ("sleep", "true")] == []


class _EndsWhenAsked(Cancellation):
    """Lets a command write and end after its output was polled, and before it is waited for."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    @property
    def cancelled(self) -> bool:
        """Whether the switch is set, once the command has ended."""
        if (self._directory / "pid").exists():
            pid = int(wait_for(self._directory / "pid"))
            (self._directory / "go").touch()
            assert has_ended(pid)
        return False


def test_last_words_of_a_command_are_not_lost(tmp_path: Path) -> None:
    program = "echo $$ > pid; until [ -e go ]; do sleep 0.01; done; echo last; printf words"
    lines: list[str] = []
    run_command(
        ["/bin/sh", "-c", program],
        cwd=str(tmp_path),
        variables={"PATH": os.environ["PATH"]},
        on_line=lines.append,
        cancellation=_EndsWhenAsked(tmp_path),
    )
    assert lines == ["last", "words"]


def test_command_is_stopped_when_its_time_is_over(tmp_path: Path) -> None:
    usage = run("trap 'exit 0' TERM; sleep 60 & wait", tmp_path, seconds=0.3)

    assert usage.timed_out  # a command that ends with 0 because it was stopped has failed
    assert usage.seconds < 30


def test_command_that_ends_in_time_is_not_stopped(tmp_path: Path) -> None:
    usage = run("exit 3", tmp_path, seconds=60)

    assert (usage.exit_code, usage.timed_out) == (3, False)


def test_cancelled_command_is_not_reported_as_out_of_time(tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()

    assert not run("sleep 60", tmp_path, cancellation, seconds=0.0).timed_out


def test_command_that_is_cancelled_after_its_time_has_not_passed(tmp_path: Path) -> None:
    cancellation = Cancellation()
    threading.Timer(0.6, cancellation.cancel).start()

    usage = run("trap 'sleep 1; exit 0' TERM; sleep 60 & wait", tmp_path, cancellation, seconds=0.2)

    assert usage.timed_out
