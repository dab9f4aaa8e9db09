"""The clock: wall and CPU time of whole processes, children included."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from benchmarks.errors import NotPossible
from benchmarks.measurement import Finished, measure

pytestmark = pytest.mark.process

_SPIN = "import time\nwhile time.process_time() < 0.3: pass"


def run(tmp_path: Path, code: str, **options: float) -> Finished:
    """Measure a Python program."""
    return measure(
        [sys.executable, "-c", code],
        tmp_path,
        {"PATH": os.defpath},
        tmp_path,
        timeout=options.get("timeout", 60.0),
        cores=int(options["cores"]) if "cores" in options else None,
    )


def test_wall_time_counts_waiting_and_cpu_time_does_not(tmp_path: Path) -> None:
    sample = run(tmp_path, "import time; time.sleep(1)").sample
    assert sample.seconds >= 1.0
    assert sample.cpu_seconds < 0.9


def test_cpu_time_counts_the_children(tmp_path: Path) -> None:
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_SPIN!r}])"
    assert run(tmp_path, nested).sample.cpu_seconds >= 0.3


def test_exit_code_and_output_are_kept_apart(tmp_path: Path) -> None:
    finished = run(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); exit(3)")
    assert (finished.code, finished.stdout, finished.stderr) == (3, "out\n", "err\n")


def test_a_command_that_never_ends_is_killed_with_its_children(tmp_path: Path) -> None:
    nested = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    finished = run(tmp_path, nested, timeout=2.0)
    assert finished.code == -signal.SIGKILL
    assert finished.sample.seconds < 30
    assert has_ended(int(finished.stdout))


def has_ended(pid: int) -> bool:
    """Wait until a process that is not our own child has ended, for a few seconds at most."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists():
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system cannot limit cores")
def test_cores_limit_the_command_and_not_this_process(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    finished = run(tmp_path, "import os; print(len(os.sched_getaffinity(0)))", cores=1)
    assert finished.stdout == "1\n"
    assert os.sched_getaffinity(0) == before


def test_more_cores_than_there_are_is_not_possible(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match="too few processors"):
        run(tmp_path, "", cores=4096)
