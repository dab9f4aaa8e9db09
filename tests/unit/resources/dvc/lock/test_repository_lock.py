"""The repository lock: one run at a time in a checkout, and none beside DVC's own commands."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from resources.dvc.lock.repository_lock import hold_paths, hold_record, hold_repository
from resources.errors import RepositoryBusyError

pytestmark = pytest.mark.process

HOLD = """
import sys, time
from pathlib import Path
from resources.dvc.lock.repository_lock import hold_repository
with hold_repository(Path(sys.argv[1]), shared=bool(int(sys.argv[2])), wait=0, on_wait=print):
    print("holding", flush=True)
    sys.stdin.readline()
"""
#: DVC's own lock of paths, held by a process of its own.
HOLD_AS_DVC = """
import sys
from dvc.fs import localfs
from dvc.rwlock import rwlock
root, read, write = sys.argv[1:]
with rwlock(f"{root}/.dvc/tmp", localfs, "dvc repro", read.split(), write.split(), False):
    print("holding", flush=True)
    sys.stdin.readline()
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that holds a lock until it reads a line, and wait until it holds it."""
    with ExitStack() as started:

        def start(program: str, *arguments: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-c", program, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            started.callback(process.communicate)
            assert process.stdout is not None
            assert process.stdout.readline() == "holding\n"
            return process

        yield start


def release(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=20)


def hold(root: Path, *, shared: bool = False, wait: float = 0) -> AbstractContextManager[None]:
    return hold_repository(root, shared=shared, wait=wait, on_wait=lambda holder: None)


def test_second_run_is_refused_with_the_process_that_holds(root: Path, start: Start) -> None:
    process = start(HOLD, str(root), "0")

    with pytest.raises(
        RepositoryBusyError, match=f"another run .*: process {process.pid} "
    ) as error:
        with hold(root):
            pytest.fail("two runs at once")

    assert "--wait" in error.value.hint


def test_second_run_waits_says_so_once_and_then_goes_on(root: Path, start: Start) -> None:
    process = start(HOLD, str(root), "0")
    said: list[str] = []

    def on_wait(holder: str) -> None:
        said.append(holder)
        release(process)

    with hold_repository(root, shared=False, wait=20, on_wait=on_wait):
        pass

    assert len(said) == 1
    assert said[0].startswith(f"{process.pid} ")


def test_wait_ends_when_the_time_is_up(root: Path, start: Start) -> None:
    start(HOLD, str(root), "0")
    started = time.monotonic()

    with pytest.raises(RepositoryBusyError), hold(root, wait=0.3):
        pytest.fail("two runs at once")

    assert 0.3 <= time.monotonic() - started < 5


def test_run_that_was_killed_holds_nothing(root: Path, start: Start) -> None:
    process = start(HOLD, str(root), "0")
    process.send_signal(signal.SIGKILL)
    process.wait(20)

    with hold(root):
        pass


def test_processes_of_one_run_share_the_checkout_and_keep_others_out(
    root: Path, start: Start
) -> None:
    start(HOLD, str(root), "1")

    with hold(root, shared=True):
        pass
    with pytest.raises(RepositoryBusyError), hold(root):
        pytest.fail("beside a shared run")


def test_lock_is_free_after_an_error(root: Path, start: Start) -> None:
    with pytest.raises(ZeroDivisionError), hold(root):
        raise ZeroDivisionError

    with hold(root):
        pass


def test_record_is_written_by_one_at_a_time(root: Path) -> None:
    # A second writer, in another process, gets through only when the first is done.
    program = (
        "import sys; from pathlib import Path\n"
        "from resources.dvc.lock.repository_lock import hold_record\n"
        "with hold_record(Path(sys.argv[1])): Path(sys.argv[1], 'second').touch()"
    )
    with hold_record(root):
        process = subprocess.Popen([sys.executable, "-c", program, str(root)])
        time.sleep(0.4)
        assert not (root / "second").exists()
    assert process.wait(20) == 0
    assert (root / "second").exists()


def paths(root: Path, reads: list[str], writes: list[str]) -> AbstractContextManager[None]:
    def refuse(notice: str) -> None:
        pytest.fail(notice)

    return hold_paths(
        root,
        reads=(str(root / path) for path in reads),
        writes=(str(root / path) for path in writes),
        on_repair=refuse,
    )


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (("", "data"), ([], ["data"])),
        (("", "data"), (["data"], [])),
        (("data", ""), ([], ["data"])),
        (("", "data"), ([], ["data/deep/file"])),
        (("", "data/deep/file"), (["data"], [])),
    ],
)
def test_dvc_command_that_runs_keeps_us_out(
    root: Path, start: Start, theirs: tuple[str, str], ours: tuple[list[str], list[str]]
) -> None:
    held = [" ".join(str(root / path) for path in names.split()) for names in theirs]
    process = start(HOLD_AS_DVC, str(root), *held)

    message = f"a DVC command uses {root}/data.*: process {process.pid} dvc repro"
    with pytest.raises(RepositoryBusyError, match=message):
        with paths(root, *ours):
            pytest.fail("beside a DVC command")

    release(process)
    with paths(root, *ours):
        pass


@pytest.mark.parametrize(
    "ours", [(["data"], []), ([], ["data2"]), ([], ["other"]), (["dat"], ["da"])]
)
def test_dvc_command_at_other_paths_is_no_obstacle(
    root: Path, start: Start, ours: tuple[list[str], list[str]]
) -> None:
    process = start(HOLD_AS_DVC, str(root), str(root / "data"), "")

    with paths(root, *ours):
        held = json.loads((root / ".dvc" / "tmp" / "rwlock").read_text())
        assert {who["pid"] for all_of in held["read"].values() for who in all_of} >= {process.pid}

    held = json.loads((root / ".dvc" / "tmp" / "rwlock").read_text())
    assert held == {"read": {str(root / "data"): [{"pid": process.pid, "cmd": "dvc repro"}]}}


def test_we_keep_dvc_out(root: Path) -> None:
    from dvc.fs import localfs
    from dvc.lock import LockError
    from dvc.rwlock import rwlock

    def try_as_dvc(read: list[str], write: list[str]) -> None:
        with rwlock(str(root / ".dvc" / "tmp"), localfs, "dvc repro", read, write, False):
            pass

    with paths(root, ["in"], ["out"]):
        for read, write in (([], ["out"]), (["out"], []), ([], ["in"]), ([], ["out/deep"])):
            with pytest.raises(LockError):
                try_as_dvc([str(root / p) for p in read], [str(root / p) for p in write])
        try_as_dvc([str(root / "in")], [str(root / "else")])
    try_as_dvc([], [str(root / "in"), str(root / "out")])


def test_entry_of_a_dead_process_is_no_obstacle(root: Path) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    who = {"pid": process.pid, "cmd": "dvc repro"}
    held = {"write": {str(root / "data"): who}, "read": {str(root / "in"): [who]}}
    (root / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(held))

    with paths(root, [], ["data", "in"]):
        pass


def test_nothing_of_ours_is_left_after_an_error(root: Path) -> None:
    with pytest.raises(ZeroDivisionError), paths(root, ["in"], ["out"]):
        raise ZeroDivisionError

    assert json.loads((root / ".dvc" / "tmp" / "rwlock").read_text()) == {}


BROKEN = ["", "{", '{"write": {"/a": {"pid": 1', "[]", '{"write": []}', "\0\0\0"]
WRONG: list[Any] = [
    {"write": {"/a": []}},
    {"write": {"/a": "x"}},
    {"write": {"/a": {"pid": None, "cmd": "x"}}},
    {"write": {"/a": {"pid": "1", "cmd": "x"}}},
    {"write": {"/a": {"pid": 1.5, "cmd": "x"}}},
    {"write": {"/a": {"pid": 10**30, "cmd": "x"}}},
    {"write": {"/a": {"pid": -1, "cmd": "x"}}},
    {"write": {"/a": {"cmd": "x"}}},
    {"read": {"/a": {"pid": 1, "cmd": "x"}}},
]


@pytest.mark.parametrize(
    "text",
    [
        *BROKEN,
        *(json.dumps(held).replace("/a", "{root}/a") for held in WRONG),
    ],
)
def test_broken_lock_is_set_aside_with_a_notice_and_dvc_works_again(root: Path, text: str) -> None:
    from dvc.fs import localfs
    from dvc.rwlock import rwlock

    text = text.replace("{root}", str(root))
    file = root / ".dvc" / "tmp" / "rwlock"
    file.write_text(text)
    notices: list[str] = []

    with hold_paths(root, reads=[], writes=[str(root / "a")], on_repair=notices.append):
        pass

    assert len(notices) == 1 and "rwlock.broken" in notices[0]
    assert file.with_name("rwlock.broken").read_text() == text
    with rwlock(str(file.parent), localfs, "dvc repro", [], [str(root / "a")], False):
        assert os.path.exists(file)
