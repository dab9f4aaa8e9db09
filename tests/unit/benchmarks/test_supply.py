"""The benchmark of the supply: all of the data and the right bytes, or no figure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import supply
from benchmarks.errors import WrongRun
from benchmarks.figures import Limit, Unit, Verdict
from benchmarks.procedures import DVC
from benchmarks.programs import Programs
from benchmarks.repositories import Repository
from benchmarks.supply import measure_supply
from benchmarks.workbench import Options, Workbench

pytestmark = pytest.mark.process

LIMIT = Limit("placed", Unit.SECONDS, 1e6)


@pytest.fixture
def bench(programs: Programs, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench that says nothing."""
    with Workbench(tmp_path, programs, Options(), lambda line: None).section() as section:
        yield section


def test_supply_is_measured_beside_a_checkout_by_dvc(bench: Workbench) -> None:
    outcome = measure_supply(bench, 8, 1, LIMIT, runs=1)

    placed, of_peer = outcome.figures
    assert (placed.verdict, of_peer.verdict) == (Verdict.MET, Verdict.NO_TARGET)
    assert outcome.peer is not None and outcome.peer.contender == DVC
    assert "8 files, 1 MiB" in outcome.notes[0]


def test_data_that_is_not_all_of_it_is_no_figure(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = supply._build

    def build_less(bench: Workbench, count: int, size: int) -> Repository:
        return build(bench, count - 1, size)

    monkeypatch.setattr(supply, "_build", build_less)
    with pytest.raises(WrongRun, match="wrong files placed"):
        measure_supply(bench, 8, 1, LIMIT, runs=1)
