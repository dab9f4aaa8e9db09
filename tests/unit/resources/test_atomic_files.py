"""Files written whole or not at all: crashes, full disks, modes, and readers in between."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from resources.files import current_umask, write_atomically, write_output

# The kernel refuses to let the file grow over the limit: in the middle of the write.
CRASH = """
import resource, signal, sys
from pathlib import Path
from resources.files import write_atomically
signal.signal(signal.SIGXFSZ, {action})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
write_atomically(Path(sys.argv[1]), b"n" * 1_000_000)
"""


def run_python(program: str, *arguments: str, umask: int = -1) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        umask=umask,
    )


@pytest.mark.process
def test_process_that_dies_while_it_writes_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "dvc.lock"
    file.write_bytes(b"old")

    finished = run_python(CRASH.format(action="signal.SIG_DFL"), str(file))

    assert finished.returncode == -signal.SIGXFSZ, finished.stderr
    assert file.read_bytes() == b"old"


@pytest.mark.process
def test_refused_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "dvc.lock"
    file.write_bytes(b"old")

    finished = run_python(CRASH.format(action="signal.SIG_IGN"), str(file))

    assert "File too large" in finished.stderr
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["dvc.lock"]


def test_directory_in_the_way_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "there" / "file").mkdir(parents=True)

    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "there" / "file", b"new")

    assert os.listdir(tmp_path / "there") == ["file"]


@pytest.mark.parametrize("durable", [False, True])
def test_file_holds_the_new_bytes_and_directories_are_made(tmp_path: Path, durable: bool) -> None:
    file = tmp_path / "a" / "b" / "file"

    write_atomically(file, b"first", durable=durable)
    write_atomically(file, b"second\0\n", durable=durable)

    assert file.read_bytes() == b"second\0\n"
    assert os.listdir(file.parent) == ["file"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_mode_of_the_old_file_is_kept(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    file.chmod(mode)

    write_atomically(file, b"new")

    assert file.stat().st_mode & 0o7777 == mode


@pytest.mark.process
@pytest.mark.parametrize(("umask", "mode"), [(0o022, "644"), (0o077, "600"), (0o002, "664")])
def test_new_file_has_the_mode_of_any_other_new_file(tmp_path: Path, umask: int, mode: str) -> None:
    program = (
        "import sys; from pathlib import Path; from resources.files import write_atomically\n"
        "path = Path(sys.argv[1]); write_atomically(path, b'x')\n"
        "print(oct(path.stat().st_mode & 0o777)[2:])"
    )

    finished = run_python(program, str(tmp_path / "file"), umask=umask)

    assert finished.stdout.strip() == mode, finished.stderr


def test_umask_is_that_of_the_process() -> None:
    status = Path("/proc/self/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith("Umask:"))

    assert current_umask() == int(line.split()[1], 8)


def test_reader_never_sees_a_part(tmp_path: Path) -> None:
    file = tmp_path / "file"
    contents = {bytes([number]) * (200_000 + number) for number in range(20)}
    write_atomically(file, min(contents))
    seen: set[bytes] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(file.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for content in contents:
        write_atomically(file, content)
    stop.set()
    reader.join()

    assert seen and seen <= contents


def test_output_to_a_pipe_goes_through_it(tmp_path: Path) -> None:
    pipe = tmp_path / "output"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()

    write_output(pipe, b"content")

    reader.join(10)
    assert read == [b"content"]
    assert pipe.is_fifo()


def test_output_to_a_device_leaves_the_device(tmp_path: Path) -> None:
    terminal, device = os.openpty()  # of this test alone, in a directory that takes no new files
    path = Path(os.ttyname(device))

    write_output(path, b"content")

    assert os.read(terminal, 100) == b"content"
    assert path.is_char_device()
    os.close(device)
    os.close(terminal)


def test_output_to_a_file_is_written_whole(tmp_path: Path) -> None:
    file, other = tmp_path / "output", tmp_path / "same"
    file.write_bytes(b"old")
    os.link(file, other)

    write_output(file, b"new")

    assert file.read_bytes() == b"new"
    assert other.read_bytes() == b"old"
