"""Proof of a stage: the cost of signing the statements of its run."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.errors import WrongRun
from benchmarks.figures import Figure, Limit, Unit
from benchmarks.measurement import Sample
from benchmarks.procedures import OURS, Outcome
from benchmarks.programs import Program
from benchmarks.repositories import Repository
from benchmarks.this_repository import count_stages, read_outs, read_source
from benchmarks.workbench import Contender, Workbench

_SCRIPT = Path(__file__).with_name("attest.py")


def measure_stage_proof(
    bench: Workbench, mean: Limit, *, runs: int, files: dict[str, bytes] | None = None
) -> Outcome:
    """Measure the attestation of this repository's stages, from existing outs.

    Args:
        files: a repository with its outs; None takes this one.
    """
    files = {**read_source(), **read_outs()} if files is None else files
    program = Program("python attest.py", (str(bench.programs.python), "-P", str(_SCRIPT)))
    most: list[float] = []
    stages = count_stages(files)

    def attempt() -> Sample:
        with bench.copy(template) as repository:
            return _attempt(bench, program, repository, stages, most)

    template = bench.build(files)
    (ours,) = bench.take_turns([Contender(OURS, program, stages, attempt, 1)], runs)
    seconds = ours.median_seconds
    figures = (
        mean.figure(None if seconds is None else seconds / stages * 1000),
        Figure("the slowest stage", Unit.MILLISECONDS, max(most, default=0.0) * 1000),
    )
    note = "the slowest stage is the first, which reads the inputs that all stages share"
    return Outcome(ours, None, figures, (), (note,))


def _attempt(
    bench: Workbench, program: Program, repository: Repository, stages: int, most: list[float]
) -> Sample:
    finished = bench.execute(program, repository)
    document = json.loads(finished.stdout)
    if document["stages"] != stages:
        raise WrongRun(f"{program.shown}: {document['stages']} of {stages} stages", "attest all")
    most.append(max(document["seconds"]))
    return Sample(sum(document["seconds"]), finished.sample.cpu_seconds)
