"""Commands that read proofs: impact in a large ledger, and verify of a small file."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from benchmarks.errors import WrongRun
from benchmarks.figures import Limit
from benchmarks.graphs import trivial_graph
from benchmarks.measurement import Sample
from benchmarks.procedures import OURS, Outcome
from benchmarks.programs import Program
from benchmarks.repositories import Repository, graph_files
from benchmarks.workbench import Contender, Workbench

_WRITE = Path(__file__).with_name("write_ledger.py")
_HINT = "only a complete answer counts"
_NO_PEER = ("no peer keeps statements about runs",)


def measure_impact(bench: Workbench, statements: int, limit: Limit, *, runs: int) -> Outcome:
    """Measure the impact of one of a hundred data files, each with a hundredth of all outs."""
    repository = bench.build(graph_files(trivial_graph(1)))
    bench.say(f"{statements} statements: sign and index")
    write = Program(
        "python write_ledger.py", (str(bench.programs.python), "-P", str(_WRITE), str(statements))
    )
    known = json.loads(bench.execute(write, repository).stdout)
    command = bench.programs.ml_assets.with_arguments("impact", known["sha256"], "--json")
    attempt = partial(_ask_impact, bench, command, repository, int(known["outs"]))
    (ours,) = bench.take_turns([Contender(OURS, command, 1, attempt, 1)], runs)
    note = f"{statements} statements in the ledger; {known['outs']} outs follow, each verified"
    return Outcome(ours, None, (limit.figure(ours.median_seconds),), (), (note, *_NO_PEER))


def _ask_impact(bench: Workbench, command: Program, repository: Repository, outs: int) -> Sample:
    finished = bench.execute(command, repository)
    nodes = json.loads(finished.stdout)["nodes"]
    if len(nodes) != outs + 1:
        raise WrongRun(f"{command.shown}: {len(nodes) - 1} of {outs} outs", _HINT)
    return finished.sample


def measure_small_verification(bench: Workbench, limit: Limit, *, runs: int) -> Outcome:
    """Measure `verify` of a file of a few bytes, as a whole command."""
    repository = bench.build(graph_files(trivial_graph(1)))
    bench.execute(bench.programs.ml_assets.with_arguments("run"), repository)
    command = bench.programs.ml_assets.with_arguments("verify", "o0.txt", "--json")
    attempt = partial(_ask_verify, bench, command, repository)
    (ours,) = bench.take_turns([Contender(OURS, command, 1, attempt, 1)], runs)
    return Outcome(ours, None, (limit.figure(ours.median_seconds),), (), _NO_PEER)


def _ask_verify(bench: Workbench, command: Program, repository: Repository) -> Sample:
    finished = bench.execute(command, repository)
    document = json.loads(finished.stdout)
    if document["verdict"] not in ("passed", "warned") or len(document["steps"]) < 5:
        raise WrongRun(f"{command.shown}: {document['verdict']}", _HINT)
    return finished.sample
