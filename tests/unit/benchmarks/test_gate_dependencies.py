"""The benchmark of the dependencies gate: it measures judgements, and only whole ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import gate_dependencies
from benchmarks.errors import WrongRun
from benchmarks.figures import Limit, Unit, Verdict
from benchmarks.gate_dependencies import measure_dependencies, write_pins
from benchmarks.programs import Programs
from benchmarks.workbench import Options, Workbench

pytestmark = pytest.mark.process

LIMIT = Limit("the gate itself", Unit.SECONDS, 60.0)


@pytest.fixture
def bench(programs: Programs, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench that says nothing."""
    with Workbench(tmp_path, programs, Options(), lambda line: None).section() as section:
        yield section


def test_every_other_pin_has_advisories() -> None:
    lines = write_pins(500).decode().splitlines()
    assert len(set(lines)) == 500 and all(line.endswith("==9999.0") for line in lines)
    assert sum(line.startswith("benchmark-package-") for line in lines) == 250


@pytest.mark.slow
def test_gate_and_command_are_measured(bench: Workbench) -> None:
    outcome = measure_dependencies(bench, 20, LIMIT, runs=1)
    assert [figure.verdict for figure in outcome.figures] == [Verdict.MET, Verdict.NO_TARGET]
    gate, command = (figure.value for figure in outcome.figures)
    assert gate is not None and command is not None and 0 < gate < command


def test_judgement_that_leaves_something_out_is_no_figure(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_dependencies, "write_pins", lambda packages: b"a==1\nb\n")
    with pytest.raises(WrongRun, match="1 of 2 packages"):
        measure_dependencies(bench, 2, LIMIT, runs=1)
