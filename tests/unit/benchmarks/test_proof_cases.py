"""The benchmarks of proofs: only complete proofs, verifications and answers are figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import proof_commands, proof_model
from benchmarks.errors import WrongRun
from benchmarks.figures import Limit, Unit, Verdict
from benchmarks.programs import Programs
from benchmarks.proof_commands import measure_impact, measure_small_verification
from benchmarks.proof_model import measure_proof, measure_verification
from benchmarks.workbench import Options, Workbench

pytestmark = pytest.mark.process

RATIO = Limit("a pass", Unit.RATIO, 1e6)
SECONDS = Limit("whole command", Unit.SECONDS, 60.0)


@pytest.fixture
def bench(programs: Programs, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench that says nothing."""
    with Workbench(tmp_path, programs, Options(), lambda line: None).section() as section:
        yield section


def test_proof_reads_the_model_once(bench: Workbench) -> None:
    outcome = measure_proof(bench, 40, Limit("read", Unit.RATIO, 1.1), RATIO, runs=1)
    read, time, both = outcome.figures
    assert read.verdict is Verdict.MET
    assert time.value is not None
    assert both.verdict is Verdict.MET


def test_verification_is_compared_with_a_bare_pass(bench: Workbench) -> None:
    (figure,) = measure_verification(bench, 2, RATIO, runs=1).figures
    assert figure.verdict is Verdict.MET


def test_pass_that_skips_bytes_is_no_figure(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "skip.py"
    script.write_text('print(\'{"seconds": 0, "cpu_seconds": 0, "bytes_read": 1, "sha256": "x"}\')')
    monkeypatch.setattr(proof_model, "_SCRIPT", script)
    with pytest.raises(WrongRun, match="it read 1 bytes"):
        measure_verification(bench, 1, RATIO, runs=1)


def test_impact_is_measured_with_all_that_follows(bench: Workbench) -> None:
    (figure,) = measure_impact(bench, 300, SECONDS, runs=1).figures
    assert figure.verdict is Verdict.MET


def test_incomplete_answer_is_no_figure(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "write.py"
    script.write_text('print(\'{"sha256": "' + "ab" * 32 + '", "outs": 3}\')')
    monkeypatch.setattr(proof_commands, "_WRITE", script)
    with pytest.raises(WrongRun, match="0 of 3 outs"):
        measure_impact(bench, 3, SECONDS, runs=1)


def test_verification_of_a_small_file_is_a_whole_command(bench: Workbench) -> None:
    (figure,) = measure_small_verification(bench, SECONDS, runs=1).figures
    assert figure.verdict is Verdict.MET
