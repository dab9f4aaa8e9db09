"""The report of a run: its exit code, its JSON, and its summary for people."""

import json
from pathlib import Path
from typing import Any

import pytest

from ml_assets.graph.translator import Translator
from ml_assets.project.project import Project
from ml_assets.reporting.run_report import RunReport
from resources.dvc.cache.content import Content
from resources.dvc.graph.manifest import Dep, Layout, Manifest, Out, Stage
from resources.dvc.run.schedule import Finished
from resources.dvc.run.stage_process import Usage
from resources.dvc.run.stage_result import Action, StageResult
from resources.dvc.staleness.comparison import Comparison
from resources.errors import CommandError, MissingInputError, ResourceError, UnavailableError

pytestmark = pytest.mark.process

A = Stage("a", "a", "dvc.yaml", ".", "x", outs=(Out("a.txt", "a.txt"),))
B = Stage(
    "b",
    "b",
    "dvc.yaml",
    ".",
    "x",
    deps=(Dep("a.txt", "a.txt", ("a.txt",)),),
    outs=(Out("b.txt", "b.txt"), Out("c.txt", "c.txt")),
    upstream=("a",),
)
MANIFEST = Manifest((A, B), Layout("/cache"))
MD5, SHA256 = "0" * 32, "f" * 64
FAILED = CommandError("a: command exited with 1: x", "mend it")
UNJUDGED = UnavailableError("no space left on device", "free the disk")


@pytest.fixture
def report(tmp_path: Path) -> RunReport:
    translator = Translator(
        MANIFEST, "main", identify=lambda place: None, read_params=lambda stage: {}
    )
    return RunReport(Project(tmp_path), translator.describe())


def ran(*locations: str, comparison: Comparison | None = None) -> StageResult:
    return StageResult(
        Action.RUN,
        contents={location: Content(MD5, SHA256, 3) for location in locations},
        usage=Usage(0, 1.23456, 1.0, None),
        comparison=comparison,
    )


def document(report: RunReport) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(report.document()))
    return found


def test_report_has_the_shape_of_the_contract(report: RunReport) -> None:
    report.run_id = "run"
    report.collect(Finished("a", result=ran("a.txt")))
    report.collect(Finished("b", result=StageResult(Action.SKIP)))

    found = document(report)

    assert {"run_id", "commit", "status", "assets", "gates", "deployment"} <= found.keys()
    assert (found["run_id"], found["commit"], found["status"]) == ("run", None, "passed")
    assert (found["gates"], found["deployment"]) == ([], None)
    first, second, third = found["assets"]
    assert first == {
        "key": "main/a.txt",
        "stage": "a",
        "action": "run",
        "status": "passed",
        "digest": {"sha256": SHA256, "md5": MD5},
        "reproduced": None,
        "seconds": 1.235,
    }
    assert (second["action"], third["action"]) == ("skip", "skip")
    assert "error" not in found


@pytest.mark.parametrize(
    ("errors", "code", "status"),
    [
        ({}, 0, "passed"),
        ({"a": FAILED}, 1, "failed"),
        ({"a": MissingInputError("x", "y")}, 1, "failed"),
        ({"a": UNJUDGED}, 3, "error"),
        ({"a": UNJUDGED, "b": FAILED}, 1, "failed"),
        ({"a": RuntimeError("x")}, 3, "error"),
        ({"a": KeyboardInterrupt()}, 3, "error"),
    ],
)
def test_failed_outranks_what_could_not_be_judged(
    report: RunReport, errors: dict[str, BaseException], code: int, status: str
) -> None:
    for name, error in errors.items():
        report.collect(Finished(name, error=error))

    assert (report.exit_code, report.status) == (code, status)
    assert document(report)["status"] == status


@pytest.mark.parametrize("aborted", [UNJUDGED, ResourceError("x", "y")])
def test_run_that_was_aborted_is_no_success(report: RunReport, aborted: ResourceError) -> None:
    report.collect(Finished("a", result=ran("a.txt")))
    report.aborted = aborted

    assert (report.exit_code, report.status) == (3, "error")
    assert document(report)["error"]["message"] == aborted.message


def test_blocked_stage_did_not_run(report: RunReport) -> None:
    report.collect(Finished("a", error=FAILED))
    report.collect(Finished("b", blocked_by="a"))

    found = document(report)

    assert [asset["status"] for asset in found["assets"]] == ["failed", "not run", "not run"]
    assert [asset["digest"] for asset in found["assets"]] == [None, None, None]
    assert found["error"] == {"kind": "command", "message": FAILED.message, "hint": FAILED.hint}


def test_out_that_differs_from_the_recorded_one_is_named_and_what_follows_from_it(
    report: RunReport, capsys: pytest.CaptureFixture[str]
) -> None:
    report.collect(Finished("a", result=ran("a.txt", comparison=Comparison((), ("a.txt",)))))
    second = Comparison(("a.txt",), ("c.txt",))
    report.collect(Finished("b", result=ran("b.txt", "c.txt", comparison=second)))

    report.write()

    out = capsys.readouterr().out
    named = [line.rpartition(": ")[2] for line in out.splitlines() if "not reproduced" in line]
    assert named == ["a.txt", "c.txt"]
    assert [asset["reproduced"] for asset in document(report)["assets"]] == [False, True, False]


def test_out_that_differs_because_its_input_was_changed_is_not_named(
    report: RunReport, capsys: pytest.CaptureFixture[str]
) -> None:
    report.collect(Finished("a", result=ran("a.txt")))
    second = Comparison(("a.txt",), ("b.txt", "c.txt"))
    report.collect(Finished("b", result=ran("b.txt", "c.txt", comparison=second)))

    report.write()

    assert "not reproduced" not in capsys.readouterr().out


def test_summary_for_people_counts_and_says_what_to_do(
    report: RunReport, capsys: pytest.CaptureFixture[str]
) -> None:
    report.seconds = 1.26
    report.collect(Finished("a", result=ran("a.txt")))
    report.collect(Finished("b", error=FAILED))

    report.write()

    captured = capsys.readouterr()
    assert captured.err == f"error: {FAILED.message}\nhint: {FAILED.hint}\n"
    *table, summary = captured.out.splitlines()
    assert table[1].split() == ["run", "main/a.txt", MD5, SHA256]
    assert summary == "failed: 1 ran, 0 restored, 0 fresh, 1 failed, 0 not run, in 1.3 s"


def test_what_nobody_foresaw_is_said_with_its_kind(
    report: RunReport, capsys: pytest.CaptureFixture[str]
) -> None:
    report.collect(Finished("a", error=RuntimeError("odd")))

    report.write()

    assert "unexpected: RuntimeError: odd" in capsys.readouterr().err


def test_stage_of_which_nothing_was_heard_is_no_success(report: RunReport) -> None:
    report.collect(Finished("a", result=ran("a.txt")))

    report.close(1.5)

    assert (report.exit_code, report.status) == (3, "error")
    assert document(report)["error"]["message"] == "no result of: b"


def test_end_of_a_run_keeps_the_reason_that_is_known(report: RunReport) -> None:
    report.collect(Finished("a", error=FAILED))

    report.close(1.5)

    assert document(report)["error"]["message"] == FAILED.message
    assert document(report)["seconds"] == 1.5


def test_run_of_which_everything_was_heard_passes(report: RunReport) -> None:
    for name in ("a", "b"):
        report.collect(Finished(name, result=StageResult(Action.SKIP)))

    report.close(1.5)

    assert (report.exit_code, report.aborted) == (0, None)
