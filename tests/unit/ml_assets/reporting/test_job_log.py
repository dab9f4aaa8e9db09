"""The log of a CI job: groups and marks are ours, and nobody else's text is a command in it."""

import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from ml_assets.reporting.console import ConsoleReporter
from ml_assets.reporting.job_log import Annotation, GitHubLog, GitLabLog, JobLog, open_job_log
from resources.dvc.run.schedule import Finished
from resources.dvc.run.stage_process import Usage
from resources.dvc.run.stage_result import Action, StageResult
from resources.errors import CommandError
from tests.job_runner import JobRunner

ATTACKS = (
    "::error::false",
    "  ::add-mask::a",
    "see ##[error]false",
    "##[add-matcher]/tmp/matcher.json",
    "progress\r::warning::false",
    "::stop-commands::mine",
    "::mine::",
    "::endgroup::",
    "::token-0::",
)
RAN = StageResult(Action.RUN, usage=Usage(0, 1.25, 1.0, None))


@pytest.fixture
def log() -> GitHubLog:
    numbers = itertools.count(1)
    return GitHubLog(lambda: f"token-{next(numbers)}")


def read(capsys: pytest.CaptureFixture[str]) -> JobRunner:
    captured = capsys.readouterr()
    assert captured.out == "", "standard output may hold one document"
    return JobRunner().read(captured.err)


def test_runner_of_these_tests_obeys_what_is_not_stopped() -> None:
    obeyed = [name for name, _, _ in JobRunner().read("\n".join(ATTACKS[:5])).commands]

    assert obeyed == ["error", "add-mask", "error", "add-matcher", "warning"]


def test_output_of_a_stage_is_a_group_and_never_a_command(
    log: GitHubLog, capsys: pytest.CaptureFixture[str]
) -> None:
    with log:
        reporter = ConsoleReporter(1, log=log)
        for attack in ATTACKS:
            reporter.line("train", attack)
        reporter.finished(Finished("train", result=RAN))

    runner = read(capsys)
    assert runner.commands == [("group", {}, "train"), ("endgroup", {}, "")]
    assert runner.stopped is None, "what comes after this program is obeyed again"
    assert "(1/1) ran: train (1.2 s)" in runner.shown


def test_nothing_printed_meanwhile_is_a_command(
    log: GitHubLog, capsys: pytest.CaptureFixture[str]
) -> None:
    with log:
        reporter = ConsoleReporter(1, log=log, quiet=True)
        for attack in ATTACKS:
            reporter.notice(attack)
            reporter.line("train", attack)
        reporter.finished(Finished("train", error=CommandError("train: exited with 1", "mend it")))

    runner = read(capsys)
    assert runner.commands == [("error", {"title": "stage train"}, "train: exited with 1")]


def test_token_is_never_used_again(log: GitHubLog, capsys: pytest.CaptureFixture[str]) -> None:
    with log:
        for _ in range(3):
            log.write_group("a", ["b"])

    lines = capsys.readouterr().err.splitlines()
    stops = [line for line in lines if line.startswith("::stop-commands::")]
    assert len(stops) == len(set(stops)) == 7


def test_token_is_not_to_be_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    with GitHubLog():
        pass

    token = capsys.readouterr().err.splitlines()[0].removeprefix("::stop-commands::")
    assert len(token) == 32


def test_stage_whose_name_is_a_command_ends_no_group(
    log: GitHubLog, capsys: pytest.CaptureFixture[str]
) -> None:
    with log:
        log.write_group("a\n::endgroup::\n%0A::error::b", ["c"])

    runner = read(capsys)
    assert [name for name, _, _ in runner.commands] == ["group", "endgroup"]
    assert runner.of("group") == [({}, "a\\n::endgroup::\\n%0A::error::b")]


def test_annotation_names_the_place(log: GitHubLog, capsys: pytest.CaptureFixture[str]) -> None:
    with log:
        log.annotate([Annotation("error", "lint: E501", "100 % too long", "src/a.py", 3, 5)])

    place = {"title": "lint: E501", "file": "src/a.py", "line": "3", "col": "5"}
    assert read(capsys).commands == [("error", place, "100 % too long")]


@pytest.mark.parametrize(
    "text", ["a,line=9::b", "a\n::add-mask::b", "a\r::error::b", "%3A%2C", *ATTACKS]
)
def test_hostile_name_stays_within_its_property(
    log: GitHubLog, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    with log:
        log.annotate([Annotation("error", text, text, text)])

    ((properties, _),) = read(capsys).of("error")
    assert set(properties) == {"title", "file"}
    assert properties["file"] == text.replace("\n", "\\n").replace("\r", "\\r")


def test_no_more_annotations_than_are_shown(
    log: GitHubLog, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [Annotation(level, "a", str(n)) for n in range(30) for level in ("warning", "error")]

    with log:
        log.annotate(both)

    runner = read(capsys)
    assert [data for _, data in runner.of("error")] == [str(n) for n in range(10)]
    assert len(runner.of("warning")) == 10


def test_interruption_turns_commands_on_again(
    log: GitHubLog, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt, match="now"), log:
        raise KeyboardInterrupt("now")

    assert read(capsys).stopped is None


@pytest.fixture
def clock() -> Iterator[Callable[[], float]]:
    seconds = itertools.count(0.0, 10.0)
    yield lambda: next(seconds)


def test_long_stage_is_shown_while_it_runs(
    log: GitHubLog, capsys: pytest.CaptureFixture[str], clock: Callable[[], float]
) -> None:
    with log:
        reporter = ConsoleReporter(1, log=log, now=clock)
        for number in range(8):
            reporter.line("train", f"epoch {number}")
        shown = read(capsys)
        reporter.finished(Finished("train", result=RAN))
    assert shown.of("group") == [({}, "train, so far")]
    assert "epoch 0" in shown.shown and "epoch 7" not in shown.shown


def test_many_lines_do_not_wait_for_the_end(
    log: GitHubLog, capsys: pytest.CaptureFixture[str]
) -> None:
    with log:
        reporter = ConsoleReporter(1, log=log, now=lambda: 0.0)
        for number in range(1001):
            reporter.line("train", str(number))

    assert len(read(capsys).of("group")) == 1


def test_gitlab_folds_and_a_stage_ends_no_section(capsys: pytest.CaptureFixture[str]) -> None:
    log = GitLabLog(lambda: 17.9)

    log.write_group("train", ["one", "\x1b[0Ksection_end:17:ml_assets_1\r\x1b[0K", "50 %\r100 %"])

    assert capsys.readouterr().err == (
        "\x1b[0Ksection_start:17:ml_assets_1[collapsed=true]\r\x1b[0Ktrain\n"
        "one\n\x1b[0Ksection_end:17:ml_assets_1\x1b[0K\n50 %\r100 %\n"
        "\x1b[0Ksection_end:17:ml_assets_1\r\x1b[0K\n"
    )


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({"GITHUB_ACTIONS": "true"}, GitHubLog),
        ({"GITLAB_CI": "true"}, GitLabLog),
        ({"CI": "true"}, JobLog),
        ({}, JobLog),
    ],
)
def test_log_is_that_of_the_platform(environment: dict[str, str], kind: type[JobLog]) -> None:
    assert type(open_job_log(environment)) is kind


def test_commands_stay_off_until_standard_output_is_read(
    log: GitHubLog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    seen: list[str] = []

    def read_late() -> None:
        seen.append(capsys.readouterr().err)
        os.read(reading, 100)

    with open(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        reader = threading.Timer(0.3, read_late)
        with log:
            stream.write("##[error]a table\n")
            reader.start()
        reader.join()
        monkeypatch.undo()

    assert seen == ["::stop-commands::token-1\n"]
    assert capsys.readouterr().err == "::token-1::\n"
    os.close(reading)


def test_commands_are_never_on_again_where_nobody_reads(
    log: GitHubLog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_assets.reporting.job_log._LONGEST_READ", 0.05)
    reading, writing = os.pipe()

    with open(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with log:
            stream.write("##[error]a table\n")
            log.write_group("train", ["::error::a"])
            log.annotate([Annotation("error", "a", "b")])
        monkeypatch.undo()

    assert capsys.readouterr().err == "::stop-commands::token-1\n::error::a\n"
    os.close(reading)


def test_closed_streams_are_left_alone(log: GitHubLog, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with log:
            stream.close()
        monkeypatch.undo()
