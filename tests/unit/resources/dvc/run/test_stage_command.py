"""A stage's command: its output as it comes, how it ended, and what it used."""

import os
import resource
import sys
import time
from pathlib import Path

import pytest

from resources.dvc.run.stage_process import Cancellation, Usage, run_command

pytestmark = pytest.mark.process

MEBIBYTE = 1 << 20


def run_shell(command: str, directory: Path, **variables: str) -> tuple[Usage, list[str]]:
    lines: list[str] = []
    usage = run_command(
        ["/bin/sh", "-c", command],
        cwd=str(directory),
        variables={"PATH": os.environ["PATH"], **variables},
        on_line=lines.append,
        cancellation=Cancellation(),
    )
    return usage, lines


def run_python(program: str, directory: Path) -> tuple[Usage, list[str]]:
    lines: list[str] = []
    usage = run_command(
        [sys.executable, "-c", program],
        cwd=str(directory),
        variables={},
        on_line=lines.append,
        cancellation=Cancellation(),
    )
    return usage, lines


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("echo one; echo two", ["one", "two"]),
        ("printf 'one\\ntwo'", ["one", "two"]),
        ("printf 'one\\n\\n\\ntwo\\n'", ["one", "", "", "two"]),
        ("true", []),
        ("echo out; echo err >&2; echo out", ["out", "err", "out"]),
        ("printf 'one\\r\\ntwo\\r\\n'", ["one", "two"]),
        ("printf '  1%%\\r 50%%\\r100%%\\n'", ["100%"]),
        ("printf '  1%%\\r 50%%\\r100%%'", ["100%"]),
        ("printf 'a\\377\\000b\\n'", ["a\ufffd\0b"]),
        ("printf 'gr\\303\\274n\\n'", ["grün"]),
        ("printf 'gr\\303'; sleep 0.05; printf '\\274n\\n'", ["grün"]),
        ("printf 'one '; sleep 0.05; printf 'line\\n'", ["one line"]),
    ],
)
def test_lines_arrive_as_they_were_written(tmp_path: Path, command: str, lines: list[str]) -> None:
    usage, seen = run_shell(command, tmp_path)

    assert seen == lines
    assert usage.exit_code == 0


def test_line_arrives_when_it_is_written_and_not_at_the_end(tmp_path: Path) -> None:
    program = "echo first; until [ -e seen ]; do sleep 0.01; done; echo second"
    lines = []

    def on_line(line: str) -> None:
        lines.append(line)
        (tmp_path / "seen").touch()

    usage = run_command(
        ["/bin/sh", "-c", program],
        cwd=str(tmp_path),
        variables={"PATH": os.environ["PATH"]},
        on_line=on_line,
        cancellation=Cancellation(),
    )

    assert lines == ["first", "second"]
    assert usage.exit_code == 0


def test_long_line_arrives_whole_in_pieces(tmp_path: Path) -> None:
    usage, lines = run_python("print('x' * 5_000_000); print('end')", tmp_path)

    assert "".join(lines) == "x" * 5_000_000 + "end"
    assert lines[-1] == "end"
    assert max(map(len, lines)) <= 3 * 64 * 1024


def test_long_line_is_not_cut_within_a_letter(tmp_path: Path) -> None:
    program = "import sys; sys.stdout.buffer.write('€'.encode() * 300_001 + b'\\n')"

    _, lines = run_python(program, tmp_path)

    assert set("".join(lines)) == {"€"}


def test_much_output_is_complete_and_in_order(tmp_path: Path) -> None:
    _, lines = run_python("for number in range(100_000): print(number)", tmp_path)

    assert lines == [str(number) for number in range(100_000)]


@pytest.mark.parametrize("code", [0, 1, 2, 126, 127, 255])
def test_exit_code_is_that_of_the_command(tmp_path: Path, code: int) -> None:
    usage, _ = run_shell(f"exit {code}", tmp_path)

    assert usage.exit_code == code


@pytest.mark.parametrize("number", [2, 9, 11, 15])
def test_signal_that_ended_the_command_is_told(tmp_path: Path, number: int) -> None:
    usage, lines = run_shell(f"echo before; kill -{number} $$; echo after", tmp_path)

    assert usage.exit_code == -number
    assert lines == ["before"]


def test_missing_program_is_told_by_the_shell(tmp_path: Path) -> None:
    usage, lines = run_shell("no-such-program-here", tmp_path)

    assert usage.exit_code == 127
    assert "not found" in lines[0]


def test_missing_shell_or_directory_is_an_error_of_the_system(tmp_path: Path) -> None:
    def run(shell: str, directory: Path) -> None:
        run_command(
            [shell, "-c", "true"],
            cwd=str(directory),
            variables={},
            on_line=print,
            cancellation=Cancellation(),
        )

    with pytest.raises(FileNotFoundError, match="no-such-shell"):
        run("/no-such-shell", tmp_path)
    with pytest.raises(FileNotFoundError, match="no-such-directory"):
        run("/bin/sh", tmp_path / "no-such-directory")


def test_command_sees_its_directory_and_variables_and_nothing_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "hidden")

    _, lines = run_shell("pwd; echo ${OURS-none} $GIVEN; wc -c", tmp_path, GIVEN="given")

    assert lines == [str(tmp_path), "none given", "0"]


def test_command_has_none_of_our_open_files(tmp_path: Path) -> None:
    with open(tmp_path / "secret", "w"):
        _, lines = run_shell("ls -l /proc/self/fd", tmp_path)

    assert not [line for line in lines if "secret" in line]


def test_time_is_measured_in_seconds(tmp_path: Path) -> None:
    started = time.monotonic()

    usage, _ = run_shell("sleep 0.3", tmp_path)

    assert 0.3 <= usage.seconds <= time.monotonic() - started
    assert usage.cpu_seconds < 0.3


def test_processor_time_of_all_processes_is_counted(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"

    usage, _ = run_shell(f"for n in 1 2; do {sys.executable} -c '{busy}'; done", tmp_path)

    assert 0.6 <= usage.cpu_seconds < 3


def test_peak_memory_is_that_of_the_largest_process(tmp_path: Path) -> None:
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    wanted = max(300 * MEBIBYTE, ours + 100 * MEBIBYTE)

    usage, _ = run_shell(f"{sys.executable} -c 'len(b\"x\" * {wanted})'; true", tmp_path)

    assert usage.peak_bytes is not None
    assert wanted <= usage.peak_bytes <= wanted + 100 * MEBIBYTE


def test_peak_memory_that_the_kernel_cannot_tell_from_ours_is_not_told(tmp_path: Path) -> None:
    usage, _ = run_shell("true", tmp_path)

    assert usage.peak_bytes is None
