"""The output of a stage: millions of lines, and one file that has all of them."""

from __future__ import annotations

from functools import partial

from benchmarks.correctness import check_run
from benchmarks.errors import WrongRun
from benchmarks.figures import Limit, ratio
from benchmarks.graphs import Graph, printing_graph
from benchmarks.procedures import DVC, OURS, Outcome, attempt_cold
from benchmarks.repositories import Repository, graph_files
from benchmarks.workbench import Contender, Workbench

_HINT = "only a run that keeps all output counts"


def measure_output(bench: Workbench, lines: int, limit: Limit, *, runs: int) -> Outcome:
    """Measure a run of one stage that prints lines, each in a fresh copy of the repository."""
    graph = printing_graph(lines)
    template = bench.build(graph_files(graph))
    checks = (
        (OURS, bench.programs.run, partial(check_output, graph=graph, lines=lines)),
        (DVC, bench.programs.repro, partial(check_run, graph=graph)),
    )
    ours, peer = bench.take_turns(
        [
            Contender(
                name, program, 1, partial(attempt_cold, bench, template, program, check, None)
            )
            for name, program, check in checks
        ],
        runs,
    )
    return Outcome(ours, peer, (limit.figure(ratio(ours, peer)),))


def check_output(repository: Repository, graph: Graph, lines: int) -> None:
    """Check the outs, the lock, and that the output file has every line."""
    check_run(repository, graph)
    name = graph.stages[0].name
    kept = repository.work / ".ml-assets" / "state" / "output" / f"{name}.log"
    expected = "".join(f"{number}\n" for number in range(1, lines + 1)).encode()
    found = kept.read_bytes() if kept.is_file() else b""
    if found != expected:
        count = found.count(b"\n")
        raise WrongRun(f"output of {name}: {count:,} lines kept of {lines:,}, or changed", _HINT)
