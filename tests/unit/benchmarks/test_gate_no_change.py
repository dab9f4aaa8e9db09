"""The benchmark of a check with nothing changed: everything comes from the store, or no figure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import gate_no_change
from benchmarks.errors import NotPossible, WrongRun
from benchmarks.figures import Limit, Unit, Verdict
from benchmarks.gate_document import read_judgements
from benchmarks.gate_no_change import measure_no_change
from benchmarks.measurement import Finished, Sample
from benchmarks.programs import Program, Programs
from benchmarks.repositories import Repository
from benchmarks.this_repository import read_outs, read_source, with_short_suites
from benchmarks.workbench import Options, Workbench

LIMITS = (Limit("source", Unit.SECONDS, 60.0), Limit("outs", Unit.SECONDS, 60.0))
SMALL = {".gitignore": b"/.ml-assets/\n", "one.py": b"ONE = 1\n"}
MADE = {"two.py": b"TWO = 2\n"}


@pytest.fixture
def bench(programs: Programs, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench that says nothing."""
    with Workbench(tmp_path, programs, Options(), lambda line: None).section() as section:
        yield section


def document(**changes: object) -> Finished:
    """Return a check that has judged one thing from the store."""
    gate = {
        "name": "lint",
        "subject": "source",
        "verdict": "passed",
        "cached": True,
        "reason": "nothing found",
        "facts": {},
        **changes,
    }
    return Finished(0, Sample(1.0, 1.0), json.dumps({"gates": [gate]}), "")


@pytest.mark.process
@pytest.mark.slow
def test_check_is_measured_without_and_with_outs(bench: Workbench) -> None:
    outcome = measure_no_change(bench, *LIMITS, runs=1, files=SMALL, made=MADE)
    assert [figure.verdict for figure in outcome.figures] == [Verdict.MET, Verdict.MET]
    assert len(outcome.ours.samples) == len(outcome.more[0].samples) == 1


@pytest.mark.process
def test_check_that_judges_anything_anew_is_no_figure(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(bench: Workbench, check: Program, repository: Repository) -> int:
        return len(read_judgements(bench.execute(check, repository), check.shown)) + 1

    monkeypatch.setattr(gate_no_change, "_prepare", prepare)
    with pytest.raises(WrongRun, match="results were cached"):
        measure_no_change(bench, *LIMITS, runs=1, files=SMALL, made=MADE)


def test_what_was_judged_in_part_is_not_complete() -> None:
    (whole,) = read_judgements(document(), "check")
    assert whole.complete and whole.cached and str(whole) == "lint of source: nothing found"
    for changes in (
        {"verdict": "failed"},
        {"verdict": "warned", "reason": "incomplete report: one file"},
        {"verdict": "warned", "reason": "could not judge: tool missing"},
        {"subject": "nothing", "reason": "nothing to judge"},
    ):
        (part,) = read_judgements(document(**changes), "check")
        assert not part.complete
    (anew,) = read_judgements(document(cached=False), "check")
    assert not anew.cached


def test_other_document_is_no_judgement() -> None:
    with pytest.raises(WrongRun, match="check: invalid document"):
        read_judgements(Finished(0, Sample(1.0, 1.0), '{"gates": [{}]}', ""), "check")


@pytest.mark.process
def test_long_suites_are_replaced_and_stay_in_the_tree() -> None:
    source = read_source()
    short = with_short_suites(source)
    settings = short["pyproject.toml"].decode()
    assert settings.count('paths = ["short/') == 2
    assert set(source) < set(short) and "short/unit-tests/test_short_unit_tests.py" in short
    with pytest.raises(NotPossible, match="no settings of unit-tests"):
        with_short_suites({"pyproject.toml": b""})


def test_missing_outs_are_said(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    lock = "stages:\n  a:\n    outs:\n    - path: model.onnx\n"
    (tmp_path / "dvc.lock").write_text(lock)
    with pytest.raises(NotPossible, match="outs missing: model.onnx"):
        read_outs(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"model")
    assert read_outs(tmp_path) == {"model.onnx": b"model"}
