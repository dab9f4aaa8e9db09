"""The table and the JSON: what was measured is there, what was not is never shown as met."""

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.cases import CASES, Case
from benchmarks.errors import BenchmarkError, NotPossible, WrongRun
from benchmarks.figures import Figure, Limit, Series, Unit
from benchmarks.machine import Machine
from benchmarks.measurement import Sample
from benchmarks.procedures import Outcome
from benchmarks.report import Report, Result, write_report

MACHINE = Machine(2, 2, 0.1, "Linux", "processor", "3.11.0", "0.1", "1.13", "3.67", None, True)
LIMIT = Limit("dvc repro", Unit.RATIO, 0.25)


def case(*limits: Limit) -> Case:
    """Return a case that nobody runs here."""

    def procedure(*_: object) -> Outcome:
        raise AssertionError("not to be measured")

    return Case("case", "a case", limits, procedure)


def measured(ours: float, peer: float | None) -> Result:
    """Return the result of a case with one target."""
    mine = Series("ml-assets", "ml-assets run", 5, (Sample(ours, 0.5), Sample(ours, 0.5)))
    other = None if peer is None else Series("dvc", "dvc repro", 5, (Sample(peer, 1.0),), slow=True)
    value = None if peer is None else ours / peer
    note = Figure("beside", Unit.MILLISECONDS, 1.5)
    outcome = Outcome(mine, other, (LIMIT.figure(value), note), notes=("a note",))
    return Result(case(LIMIT), outcome=outcome)


def failed(error: BenchmarkError) -> Result:
    """Return the result of a case that gave no figure."""
    return Result(case(LIMIT), error=error)


def report(*results: Result) -> Report:
    """Return a report of these results."""
    return Report("2024-01-01", MACHINE, results)


def test_the_table_shows_medians_runs_figure_target_and_verdict() -> None:
    lines = report(measured(1.0, 8.0)).table().splitlines()
    assert lines[0].split() == ["case", "ours", "peer", "measured", "target", "met"]
    row = "case 1.00 s (n=2) 8.00 s (n=1) 0.125 × ≤ 0.25 × dvc repro yes"
    assert lines[1].split() == row.split()
    assert "case: beside: 1.5 ms" in lines
    assert "case: a note" in lines


def test_the_json_has_every_run_and_what_it_ran_on(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    write_report(report(measured(1.0, 8.0)), file)
    document = json.loads(file.read_text("utf-8"))
    assert document["date"] == "2024-01-01"
    assert document["machine"]["cpus"] == 2
    assert document["machine"]["dvc"] == "3.67"
    (one,) = document["cases"]
    assert one["met"] is True
    assert one["figures"][0]["value"] == 0.125
    assert one["figures"][0]["at_most"] == 0.25
    assert one["ours"]["seconds"] == [1.0, 1.0]
    assert one["ours"]["median_seconds"] == 1.0
    assert one["ours"]["cpu_seconds"] == [0.5, 0.5]
    assert (one["peer"]["runs"], one["peer"]["slow"]) == (1, True)
    assert [path.name for path in file.parent.iterdir()] == ["results.json"]


@pytest.mark.parametrize(
    ("result", "met", "verdict"),
    [
        (measured(1.0, 8.0), True, "yes"),
        (measured(1.0, 2.0), False, "no"),
        (measured(1.0, None), None, "not measured"),
        (failed(NotPossible("no example", "make it")), None, "not measured"),
        (failed(WrongRun("outs missing", "look")), None, "error"),
    ],
)
def test_only_what_was_measured_is_met(result: Result, met: bool | None, verdict: str) -> None:
    document = result.document()
    assert document["met"] is met
    assert document["verdict"] == verdict
    assert report(result).table().splitlines()[1].endswith(verdict)


def test_an_error_is_in_both_and_has_no_figure() -> None:
    result = failed(WrongRun("outs missing: o1.txt", "look"))
    assert result.document()["error"] == "outs missing: o1.txt"
    assert [figure.value for figure in result.figures] == [None]
    assert "case: outs missing: o1.txt\n  hint: look" in report(result).table()


def test_exit_code_is_0_only_when_everything_is_met() -> None:
    good, bad = measured(1.0, 8.0), measured(1.0, 2.0)
    unknown = failed(WrongRun("outs missing", "look"))
    assert report(good).exit_code == 0
    assert report(good, bad).exit_code == 1
    assert report(good, unknown).exit_code == 3
    assert report(unknown, bad).exit_code == 1
    assert report().exit_code == 3


def test_list_names_every_case_with_its_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    shown = capsys.readouterr().out
    for one in CASES:
        assert one.name in shown
        assert one.limits
        assert all(str(limit) in shown for limit in one.limits)


def test_the_targets_are_those_promised() -> None:
    targets = {one.name: [limit.at_most for limit in one.limits] for one in CASES}
    assert targets == {
        "cold-500": [0.1],
        "cold-200": [0.1],
        "one-stage": [1.0],
        "snakemake-500": [1.0],
        "output-2m": [1.2],
        "noop-500": [0.25, 1.0],
        "noop-5000": [1.1],
        "parallel-cpu": [0.6],
        "parallel-sleep": [0.25],
        "overhead": [50.0],
        "load-1000": [1.0],
        "flight-delays": [1.0],
        "static-gates": [1.1],
        "no-change": [1.0, 1.0],
        "packages-500": [0.5],
        "model-file": [2.0],
        "proof-1gib": [2.0, 1.5],
        "verify-1gib": [1.15],
        "impact-100000": [1.0],
        "proof-stage": [50.0],
        "separation": [5.0, 1.0],
        "supply-1gib": [1.0],
        "verify-small": [1.0],
        "tick-20": [50.0, 1.0],
        "push-to-stage": [3.0],
    }


@pytest.mark.parametrize(
    "arguments", [["--case", "no-such"], ["--runs", "0"], ["--runs", "-1"], ["--slow-runs", "x"]]
)
def test_a_wrong_argument_is_a_usage_error_of_two_lines(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert hint == "hint: see: python -m benchmarks --help"


@pytest.mark.parametrize("name", ["", "no-such-directory/results.json"])
def test_results_that_cannot_be_written_are_refused_before_measuring(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--json", str(tmp_path / name)]) == 2
    assert "error: cannot write: " in capsys.readouterr().err
