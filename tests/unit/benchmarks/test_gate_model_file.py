"""The benchmark of the model-file gate: whole judgements of models that pass, or no figure."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import gate_model_file
from benchmarks.errors import WrongRun
from benchmarks.figures import Limit, Unit, Verdict
from benchmarks.gate_model_file import HASH, measure_model_file
from benchmarks.programs import Programs
from benchmarks.workbench import Options, Workbench

pytestmark = pytest.mark.process

LIMIT = Limit("read and hash", Unit.RATIO, 1e6)


@pytest.fixture
def bench(programs: Programs, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench that says nothing."""
    with Workbench(tmp_path, programs, Options(), lambda line: None).section() as section:
        yield section


def test_gate_is_measured_beside_a_hash_of_the_same_file(bench: Workbench) -> None:
    outcome = measure_model_file(bench, 1, LIMIT, runs=1)
    plain, packed = outcome.figures
    assert (plain.verdict, packed.verdict) == (Verdict.MET, Verdict.NO_TARGET)
    assert outcome.peer is not None and outcome.peer.contender == HASH
    assert packed.value is not None and packed.value > 0


class Hostile:
    """Runs a command when it is loaded."""

    def __reduce__(self) -> tuple[object, ...]:
        """Return the command."""
        return (print, ("loaded",))


def test_model_that_does_not_pass_is_no_figure(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(directory: Path, megabytes: int) -> None:
        for name in ("model.joblib", "model-zlib.joblib"):
            (directory / name).write_bytes(pickle.dumps(Hostile()))

    monkeypatch.setattr(gate_model_file, "write_models", write)
    with pytest.raises(WrongRun, match="the model did not pass"):
        measure_model_file(bench, 1, LIMIT, runs=1)
