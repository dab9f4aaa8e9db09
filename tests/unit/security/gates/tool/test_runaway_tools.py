"""Tools that run away: nothing that they start outlives them, and nobody else is hit."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from security.gates.interface import GateError
from security.gates.tool.tool_process import ToolCommand, ToolExit, run_tool
from security.sandbox import landlock, process_tree
from security.sandbox.process_domain import ProcessDomain

pytestmark = pytest.mark.process

_SHELL = "/bin/sh"
_MARK = f"sleep {7_000_000 + os.getpid()}"  # seconds that nobody else sleeps


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., ToolExit]:
    """Run a shell script, or a program, as a tool."""

    def run_script(*arguments: str, **options: Any) -> ToolExit:
        if len(arguments) == 1:
            arguments = (_SHELL, "-c", *arguments)
        options = {"environment": {"PATH": os.environ["PATH"]}, "timeout": 20.0, **options}
        return run_tool(ToolCommand(arguments, tmp_path, **options))

    return run_script


@pytest.fixture(params=["domain", "marks"])
def _every_kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once with what this kernel offers, once as if it kept no signals inside domains."""
    if request.param == "marks":
        monkeypatch.setattr(process_tree, "can_confine_signals", lambda: False)
    else:
        assert sys.platform != "linux" or process_tree.can_confine_signals() or not _is_new_kernel()


def _is_new_kernel() -> bool:
    return landlock.abi() >= 6


def _leftovers() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                said = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if _MARK in said and (entry / "stat").read_text().rpartition(") ")[2][0] != "Z":
                    found.append(entry.name)
            except OSError:
                continue
    return [pid for pid in found if pid != str(os.getpid())]


@pytest.mark.usefixtures("_every_kernel")
@pytest.mark.parametrize(
    "script",
    [
        _MARK,
        f"trap '' TERM INT HUP; {_MARK}; {_MARK}",
        f"exec 1>&- 2>&-; {_MARK}",
        f"setsid {_MARK} & {_MARK}",
    ],
    ids=["hangs", "ignores signals", "closes its outputs", "has children elsewhere"],
)
def test_a_tool_that_does_not_end_is_ended(run: Callable[..., ToolExit], script: str) -> None:
    started = time.monotonic()
    with pytest.raises(GateError, match=r"^still running after 0\.3 s$"):
        run(script, timeout=0.3)
    assert time.monotonic() - started < 3
    assert not _leftovers()


@pytest.mark.usefixtures("_every_kernel")
@pytest.mark.parametrize(
    "script",
    [
        f"{_MARK} & echo done",
        f"setsid {_MARK} & sleep 0.1; echo done",
        f"(({_MARK}) &) ; echo done",
    ],
    ids=["in its group", "in another session", "orphaned"],
)
def test_what_a_tool_leaves_is_ended_and_its_pipes_are_not_waited_for(
    run: Callable[..., ToolExit], script: str
) -> None:
    started = time.monotonic()
    assert run(script).output == b"done\n"
    assert time.monotonic() - started < 3
    assert not _leftovers()


_HIDE = f"""
import os, time
def away():
    if os.fork(): os._exit(0)
    os.setsid()
if os.fork() == 0:
    away(); away()
    os.execve("{_SHELL}", ["{_SHELL}", "-c", "{_MARK}; {_MARK}"], {{}})
time.sleep(0.2)
"""


@pytest.mark.skipif(not _is_new_kernel(), reason="before Linux 6.12 what hides is not found")
def test_what_leaves_session_group_parents_and_variables_is_ended(
    run: Callable[..., ToolExit],
) -> None:
    assert run(sys.executable, "-c", _HIDE).exit_code == 0
    assert not _leftovers()


_FLEE = f"""# {_MARK}
import os, sys, time
end = time.monotonic() + 8  # tests shall leave nothing, even if this one fails
if os.fork(): sys.exit()
while time.monotonic() < end:
    if os.fork(): os._exit(0)
    os.setsid()
open("escaped", "w")
"""


@pytest.mark.skipif(not _is_new_kernel(), reason="before Linux 6.12 what hides is not found")
def test_what_flees_by_forking_and_ending_is_caught(
    run: Callable[..., ToolExit], tmp_path: Path
) -> None:
    for _ in range(3):
        run(sys.executable, "-c", _FLEE, environment={})
        assert not _leftovers()
    assert not (tmp_path / "escaped").exists()


_BOMB = f"""# {_MARK}
import os, time
end = time.monotonic() + 8
for _ in range(8): os.fork()  # 256 that go on as long as they are let
while time.monotonic() < end:
    if os.fork() == 0: time.sleep(0.01); os._exit(0)
    try: os.waitpid(-1, os.WNOHANG)
    except ChildProcessError: pass
    time.sleep(0.005)
"""


@pytest.mark.usefixtures("_every_kernel")
def test_a_fork_bomb_is_ended(run: Callable[..., ToolExit]) -> None:
    with pytest.raises(GateError, match="still running"):
        run(sys.executable, "-c", _BOMB, timeout=1.0)
    assert not _leftovers()


@pytest.mark.usefixtures("_every_kernel")
def test_tools_that_run_at_once_and_processes_of_others_are_left_alone(
    run: Callable[..., ToolExit],
) -> None:
    others = [
        subprocess.Popen([_SHELL, "-c", "sleep 0.6; exit 7"], start_new_session=new)
        for new in (True, False)
    ]
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: codes.append(run(f"sleep 0.{n}; exit {n}").exit_code))
        for n in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == list(range(1, 9))
    assert [other.wait() for other in others] == [7, 7]


_INTERRUPTED = f"""
import os, signal, sys, threading, time
from pathlib import Path
from security.gates.tool.tool_process import ToolCommand, run_tool
threading.Timer(0.4, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    script = "setsid {_MARK} & {_MARK}"
    run_tool(ToolCommand(("{_SHELL}", "-c", script), Path("/"), dict(os.environ), 60.0))
except KeyboardInterrupt:
    print("interrupted", threading.active_count())
"""


def test_an_interrupt_ends_the_tool_as_well() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = process.communicate(timeout=20)
    assert output.startswith(b"interrupted"), errors
    assert not _leftovers()


def test_no_thread_descriptor_or_zombie_stays(run: Callable[..., ToolExit]) -> None:
    run("true")
    library = ctypes.CDLL(None)
    library.prctl(36, 1, 0, 0, 0)  # what is orphaned becomes a child of ours (prctl(2))
    before = (threading.active_count(), sorted(os.listdir("/proc/self/fd")), _children())
    try:
        for _ in range(3):
            run("sleep 0 & (setsid sleep 0 &) ; (setsid sleep 9 &) ; true")
            with pytest.raises(GateError):
                run("kill -9 $$")
    finally:
        library.prctl(36, 0, 0, 0, 0)
    after = (threading.active_count(), sorted(os.listdir("/proc/self/fd")), _children())
    assert after == before


def _children() -> set[str]:
    tasks = Path("/proc/self/task").glob("*/children")
    return {pid for task in tasks for pid in task.read_text().split()}


@pytest.mark.skipif(not _is_new_kernel(), reason="before Linux 6.12 there is no keeper")
def test_a_forgotten_domain_ends_by_itself() -> None:
    command = [_SHELL, "-c", _MARK]
    domain = ProcessDomain(lambda: subprocess.Popen(command, start_new_session=True), None)
    process = domain.process
    assert process.poll() is None
    del domain
    assert process.wait(timeout=5) == -9
