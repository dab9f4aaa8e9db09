"""Tool processes: what a tool may do to us, and what is told of how it ended."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from security.gates.interface import GateError
from security.gates.tool.own_tools import own_module, own_program, own_version
from security.gates.tool.tool_process import ToolCommand, ToolExit, run_tool
from security.sandbox import landlock, process_tree
from security.sandbox.file_view import FileView

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


def test_exit_code_output_and_complaints_arrive(run: Callable[..., ToolExit]) -> None:
    assert run("echo out; echo err >&2; exit 3") == ToolExit(3, b"out\n", "err\n")


def test_a_tool_gets_no_input_no_files_no_terminal_no_core_and_only_its_variables(
    run: Callable[..., ToolExit],
) -> None:
    leaked = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(leaked, True)
    script = """
import os, resource, sys
print(sys.stdin.read() == "", resource.getrlimit(resource.RLIMIT_CORE), os.getsid(0) == os.getpid())
print(sorted(os.listdir("/proc/self/fd"))[:4], sorted(os.environ))
try: open("/dev/tty")
except OSError: print("no terminal")
"""
    try:
        ended = run(sys.executable, "-I", "-c", script, environment={"A": "1"})
    finally:
        os.close(leaked)
    assert ended.output.decode().splitlines() == [
        "True (0, 0) True",
        "['0', '1', '2', '3'] ['A', 'LC_CTYPE']",
        "no terminal",
    ]


def test_a_tool_that_closes_its_outputs_is_waited_for(run: Callable[..., ToolExit]) -> None:
    assert run("exec 1>&- 2>&-; sleep 0.2; exit 4").exit_code == 4


def test_a_tool_that_says_too_much_is_ended(run: Callable[..., ToolExit]) -> None:
    with pytest.raises(GateError, match=r"^tool wrote more than 1000000 bytes to standard output$"):
        run(f"yes; {_MARK}", most_output=1_000_000)
    assert run("head -c 1000000 /dev/zero", most_output=1_000_000).output == bytes(1_000_000)
    with pytest.raises(GateError, match="wrote more than 999999 bytes"):
        run("head -c 1000000 /dev/zero", most_output=999_999)


def test_of_complaints_the_end_is_kept(run: Callable[..., ToolExit]) -> None:
    ended = run("head -c 50000000 /dev/zero >&2; echo end >&2")
    assert ended.errors == "\0" * (64 * 1024 - 4) + "end\n"


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_a_tool_that_a_signal_ends_is_no_answer(run: Callable[..., ToolExit], name: str) -> None:
    with pytest.raises(GateError, match=f"^tool ended by signal: {name}$"):
        run(f"echo '[]'; kill -{name[3:]} $$")


@pytest.mark.parametrize("memory", [None, 1 << 30])
def test_what_cannot_be_started_is_no_answer(
    run: Callable[..., ToolExit], tmp_path: Path, memory: int | None
) -> None:
    (tmp_path / "text").write_text("no program")
    for program in ("/no/such/program", str(tmp_path / "text"), str(tmp_path)):
        with pytest.raises(GateError, match="cannot start the tool"):
            run(program, "argument", memory=memory)
    with pytest.raises(GateError, match="cannot start the tool"):
        run_tool(ToolCommand((_SHELL, "-c", ":"), tmp_path / "none", {}, 5.0, memory=memory))


def test_memory_is_limited_in_children_too(run: Callable[..., ToolExit]) -> None:
    takes = "import mmap; print(len(mmap.mmap(-1, 600 << 20)))"
    child = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {takes!r}]))"
    ended = run(sys.executable, "-c", child, memory=400 << 20)
    assert (ended.exit_code, ended.output) == (1, b"")
    assert "Cannot allocate memory" in ended.errors
    assert run(sys.executable, "-c", child).output == b"629145600\n"


def test_what_is_denied_is_denied_to_tools(run: Callable[..., ToolExit], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    (tmp_path / "work").mkdir()
    script = "(cat key; echo forged > store/result; echo ok > work/file) 2>&1"
    ended = run(script, view=FileView((tmp_path / "key", tmp_path / "store")))
    assert b"secret" not in ended.output
    assert not (tmp_path / "store").exists()
    assert (tmp_path / "work" / "file").read_text() == "ok\n"
    assert b"secret" in run(script).output


def test_where_nothing_can_be_denied_a_tool_runs_only_if_that_is_accepted(
    run: Callable[..., ToolExit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    monkeypatch.setattr(process_tree, "can_confine_signals", lambda: False)
    view = FileView((tmp_path / "key",))
    with pytest.raises(GateError, match="cannot deny access to files"):
        run("touch ran", view=view)
    assert not (tmp_path / "ran").exists()
    assert run("touch ran", view=view, unconfined_ok=True).exit_code == 0
    assert run("true").exit_code == 0


def test_an_end_that_another_has_taken_is_no_answer(run: Callable[..., ToolExit]) -> None:
    over = threading.Event()

    def reap_everything() -> None:
        while not over.is_set():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)

    taken = threading.Thread(target=reap_everything)
    taken.start()
    with pytest.raises(GateError, match="exit code of the tool unknown"):
        run("sleep 0.3; exit 1")
    over.set()
    taken.join()


def test_own_tools_are_found_where_the_checkout_cannot_reach() -> None:
    assert own_module("bandit", "-r")[:4] == (sys.executable, "-I", "-m", "bandit")
    assert Path(own_program("black")[0]).parent == Path(sys.executable).parent
    assert own_version("black")
    for ask in (own_module, own_program, own_version):
        with pytest.raises(GateError, match="^tool missing: no_such_tool$"):
            ask("no_such_tool")
