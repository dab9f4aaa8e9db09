"""Separation of privileges: the cost of a view for a stage, and of a signer process."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.errors import WrongRun
from benchmarks.figures import Figure, Limit, Unit, median
from benchmarks.graphs import trivial_graph
from benchmarks.measurement import Sample
from benchmarks.procedures import OURS, Outcome
from benchmarks.programs import Program
from benchmarks.repositories import graph_files
from benchmarks.workbench import Contender, Workbench

_SCRIPT = Path(__file__).with_name("separate.py")
_WAYS = ("unconfined", "landlock", "view", "key", "signer")


def measure_separation(bench: Workbench, start: Limit, signature: Limit, *, runs: int) -> Outcome:
    """Measure both in one process, in turns: the differences are small."""
    program = Program("python separate.py", (str(bench.programs.python), "-P", str(_SCRIPT)))
    found: dict[str, list[float]] = {way: [] for way in _WAYS}

    def attempt() -> Sample:
        with bench.copy(template) as repository:
            finished = bench.execute(program, repository)
        document = json.loads(finished.stdout)
        if tuple(document) != _WAYS:
            raise WrongRun(f"{program.shown}: not all ways", "measure all ways")
        for way, seconds in document.items():
            found[way].append(seconds)
        return finished.sample

    template = bench.build(graph_files(trivial_graph(1)))
    (ours,) = bench.take_turns([Contender(OURS, program, 1, attempt, 1)], runs)
    seconds = {way: median(times[-runs:]) for way, times in found.items()}

    def over(way: str, other: str) -> float | None:
        one, base = seconds[way], seconds[other]
        return None if one is None or base is None else (one - base) * 1000

    figures = (
        start.figure(over("view", "landlock")),
        signature.figure(over("signer", "key")),
        Figure("a view over no confinement", Unit.MILLISECONDS, over("view", "unconfined")),
    )
    return Outcome(ours, None, figures)
