"""The benchmark of output: every line is kept, or no figure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.errors import WrongRun
from benchmarks.figures import Limit, Unit, Verdict
from benchmarks.graphs import printing_graph
from benchmarks.output import check_output, measure_output
from benchmarks.procedures import DVC
from benchmarks.programs import Programs
from benchmarks.repositories import build_repository, graph_files, write_done_state
from benchmarks.workbench import Options, Workbench

pytestmark = pytest.mark.process

LIMIT = Limit("dvc repro", Unit.RATIO, 1e6)


@pytest.fixture
def bench(programs: Programs, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench that says nothing."""
    with Workbench(tmp_path, programs, Options(), lambda line: None).section() as section:
        yield section


def test_output_is_measured_beside_dvc(bench: Workbench) -> None:
    outcome = measure_output(bench, 20_000, LIMIT, runs=1)

    assert outcome.figures[0].verdict is Verdict.MET
    assert outcome.peer is not None and outcome.peer.contender == DVC


@pytest.mark.parametrize(
    ("kept", "count"),
    [(None, "0 lines"), (b"1\n2\n", "2 lines"), (b"1\n2\n4\n", "3 lines")],
    ids=["no-file", "last-line-lost", "other-line"],
)
def test_incomplete_output_is_no_figure(
    programs: Programs, home: Path, kept: bytes | None, count: str
) -> None:
    graph = printing_graph(3)
    repository = build_repository(home, graph_files(graph), programs)
    write_done_state(repository, graph)
    file = repository.work / ".ml-assets" / "state" / "output" / "s0.log"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1\n2\n3\n")
    check_output(repository, graph, 3)

    file.unlink()
    if kept is not None:
        file.write_bytes(kept)
    with pytest.raises(WrongRun, match=f"output of s0: {count} kept of 3"):
        check_output(repository, graph, 3)
