"""The output of a stage: complete in its file, and readable where people see it."""

import os
import re
from pathlib import Path

import pytest

from resources.dvc.run.stage_output import OutputFile, StageOutput


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


class Printed:
    """The output of a stage that a test feeds."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.file = OutputFile(directory, "train")
        self.lines: list[str] = []
        self.output = StageOutput(self.lines.append, self.file, self.clock)

    def print(self, *numbers: int) -> None:
        """Print numbers, in one chunk."""
        self.output.feed("".join(f"{number}\n" for number in numbers).encode())


@pytest.fixture
def printed(tmp_path: Path) -> Printed:
    return Printed(tmp_path / "output")


def hidden(line: str) -> int:
    found = re.match(r"… ([\d,]+) lines \([\d,]+ bytes\) not shown; all output: /", line)
    assert found, line
    return int(found[1].replace(",", ""))


def test_slow_output_is_shown_whole_however_long(printed: Printed) -> None:
    for number in range(50_000):
        printed.clock.seconds += 0.002
        printed.print(number)
    printed.output.end()
    assert printed.lines == [str(number) for number in range(50_000)]


def test_fast_output_is_whole_in_the_file_and_shown_at_both_ends(printed: Printed) -> None:
    for start in range(0, 300_000, 8_000):
        printed.print(*range(start, start + 8_000))
    printed.output.end()
    marks = [line for line in printed.lines if line.startswith("…")]
    assert len(marks) == 1
    at = printed.lines.index(marks[0])
    shown = [*printed.lines[:at], *printed.lines[at + 1 :]]
    assert shown[:at] == [str(number) for number in range(at)] and at >= 20
    assert shown[at:] == [str(number) for number in range(304_000 - 20, 304_000)]
    assert hidden(marks[0]) == 304_000 - len(shown)
    assert printed.file.path.read_text().split() == [str(number) for number in range(304_000)]


def test_output_that_stays_fast_shows_every_ten_seconds_that_it_goes_on(printed: Printed) -> None:
    for _ in range(35):
        printed.clock.seconds += 1
        printed.print(*range(5_000))
    assert 2 <= len([line for line in printed.lines if line.startswith("…")]) <= 4


def test_lines_after_a_pause_are_shown_again(printed: Printed) -> None:
    printed.print(*range(50_000))
    printed.clock.seconds += 60
    printed.output.pause()
    printed.print(1, 2, 3)
    assert printed.lines[-4:] == ["49999", "1", "2", "3"]


def test_fast_output_without_a_line_break_is_bounded_and_named(printed: Printed) -> None:
    for _ in range(1_000):
        printed.output.feed(b"\x00" * 65_536)
    printed.output.feed(b"the end")
    printed.output.end()
    assert sum(map(len, printed.lines)) < 4 * 1024 * 1024
    assert printed.lines[-1].endswith("the end")
    assert printed.file.path.stat().st_size == 65_536_000 + len("the end")


def test_progress_bars_and_broken_letters_around_a_gap_are_text(printed: Printed) -> None:
    for _ in range(400):
        printed.output.feed(b"\xff 10%\r 50%\rdone\n" * 100)
    printed.output.feed(b"\xe2\x82\xac\r\nlast")
    printed.output.end()
    assert set(printed.lines[:20]) == {"done"}
    assert printed.lines[-3:] == ["done", "€", "last"]


def test_output_that_cannot_be_kept_says_so_and_the_stage_goes_on(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("a file in place of the directory")
    printed = Printed(tmp_path / "output")
    printed.print(*range(50_000))
    printed.output.end()
    (mark,) = (line for line in printed.lines if line.startswith("…"))
    assert "could not be kept: " in mark
    assert printed.lines[-1] == "49999"


def test_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "train.log").symlink_to(tmp_path / "victim")
    printed = Printed(tmp_path / "output")
    printed.print(1)
    assert (tmp_path / "victim").read_text() == "untouched"
    assert printed.file.trouble and printed.lines == ["1"]


@pytest.mark.parametrize("name", ["sub/dvc.yaml:train@a", "..", "x" * 5_000, "grün", "a b"])
def test_each_stage_has_a_file_of_its_own_in_the_directory(tmp_path: Path, name: str) -> None:
    file = OutputFile(tmp_path, name)
    file.write(b"text")
    file.close()
    assert os.listdir(tmp_path) == [file.path.name]
    assert file.path.stat().st_mode & 0o777 == 0o600
