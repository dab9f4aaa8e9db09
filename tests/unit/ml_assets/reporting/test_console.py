"""The console: tables, colours only where they belong, and progress on standard error."""

import os
import pty
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from ml_assets.reporting.console import ConsoleReporter, paint, write_table
from resources.dvc.run.schedule import Finished
from resources.dvc.run.stage_process import Usage
from resources.dvc.run.stage_result import Action, StageResult
from resources.errors import CommandError

MEBIBYTE = 1 << 20


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    """The writing end of a real terminal."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    with open(slave, "w", encoding="utf-8") as stream:
        yield stream
    os.close(master)


@pytest.fixture
def file(tmp_path: os.PathLike[str]) -> Iterator[TextIO]:
    with open(os.path.join(tmp_path, "out"), "w+", encoding="utf-8") as stream:
        yield stream


def text(file: TextIO) -> str:
    file.flush()
    file.seek(0)
    return file.read()


def test_terminal_gets_colours_and_a_file_does_not(terminal: TextIO, file: TextIO) -> None:
    assert paint("x", "red", terminal) == "\x1b[31mx\x1b[0m"
    assert paint("x", "red", file) == "x"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_user_can_switch_colours_off(
    terminal: TextIO, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    assert paint("x", "red", terminal) == "x"


def test_columns_of_a_table_stand_below_each_other(file: TextIO) -> None:
    write_table([("run", "a", "why"), ("restore", "long name", "")], ("action", "stage", "?"), file)

    assert text(file).splitlines() == [
        "action   stage      ?",
        "run      a          why",
        "restore  long name",
    ]


def test_table_in_a_file_is_never_shortened(file: TextIO) -> None:
    write_table([("run", "x" * 500)], ("action", "why"), file)

    assert "x" * 500 in text(file)


def test_last_column_on_a_terminal_takes_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    master, slave = pty.openpty()
    with open(slave, "w", encoding="utf-8") as terminal:
        write_table([("run", "x" * 500)], ("action", "why"), terminal)
        terminal.flush()
        written = b""
        while written.count(b"\n") < 2:
            written += os.read(master, 10_000)
    os.close(master)

    assert written.decode().splitlines() == ["action  why", "run     " + "x" * 31 + "…"]


def result(action: Action, peak: int | None = None) -> StageResult:
    usage = Usage(0, 1.25, 1.0, peak) if action is Action.RUN else None
    return StageResult(action, usage=usage)


def test_progress_counts_and_names_every_end(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = ConsoleReporter(5)

    reporter.finished(Finished("a", result=result(Action.RUN, 3 * MEBIBYTE)))
    reporter.finished(Finished("b", result=result(Action.RUN)))
    reporter.finished(Finished("c", result=result(Action.RESTORE)))
    reporter.finished(Finished("d", error=CommandError("x", "y")))
    reporter.finished(Finished("e", blocked_by="d"))

    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "(1/5) ran: a (1.2 s, 3 MiB)",
        "(2/5) ran: b (1.2 s)",
        "(3/5) restored from the cache: c",
        "(4/5) failed: d",
        "(5/5) not run: e: d failed",
    ]
    assert captured.out == ""


def test_fresh_stage_is_counted_and_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = ConsoleReporter(2)

    reporter.finished(Finished("a", result=result(Action.SKIP)))
    reporter.finished(Finished("b", result=result(Action.RESTORE)))

    assert capsys.readouterr().err == "(2/2) restored from the cache: b\n"


def test_stage_without_a_command_was_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    ConsoleReporter(1).finished(Finished("in.dvc", result=StageResult(Action.RUN)))

    assert capsys.readouterr().err == "(1/1) recorded: in.dvc\n"


def test_lines_come_behind_the_name_of_the_stage(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = ConsoleReporter(1)

    reporter.line("train", "epoch 1")
    reporter.notice("take care")

    captured = capsys.readouterr()
    assert captured.err == "[train] epoch 1\nnote: take care\n"
    assert captured.out == ""


def test_quiet_keeps_the_output_of_what_succeeds_to_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reporter = ConsoleReporter(1, quiet=True)

    reporter.line("train", "epoch 1")
    reporter.finished(Finished("train", result=result(Action.RUN)))

    assert capsys.readouterr().err == "(1/1) ran: train (1.2 s)\n"


def test_quiet_shows_the_last_lines_of_what_fails(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = ConsoleReporter(2, quiet=True)
    for number in range(30):
        reporter.line("train", f"line {number}")
        reporter.line("other", "never shown")

    reporter.finished(Finished("train", error=CommandError("x", "y")))

    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"[train] line {n}" for n in range(20, 30)] + ["(1/2) failed: train"]


def test_lines_of_several_stages_are_never_mixed(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = ConsoleReporter(4)
    threads = [
        threading.Thread(
            target=lambda name=name: [reporter.line(name, name * 50) for _ in range(100)]
        )
        for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lines = capsys.readouterr().err.splitlines()
    assert sorted(lines) == sorted(f"[{n}] {n * 50}" for n in "abcd" for _ in range(100))
