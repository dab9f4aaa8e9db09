"""Watching: the cost of a tick, and the time from a push to the first stage."""

from __future__ import annotations

import json
import socket
import statistics
from pathlib import Path

from benchmarks.errors import WrongRun
from benchmarks.figures import Figure, Limit, Unit
from benchmarks.graphs import trivial_graph
from benchmarks.measurement import Sample
from benchmarks.procedures import OURS, Outcome
from benchmarks.programs import Program
from benchmarks.repositories import graph_files
from benchmarks.workbench import Contender, Workbench

_TICK = Path(__file__).with_name("tick.py")
_PUSH = Path(__file__).with_name("push.py")
_ROUNDS = 9
_PUSHES = 9

# push.py replaces BEGAN with the file for the start time of the stage.
_ONE_STAGE = b"""\
stages:
  work:
    cmd: date +%s.%N >> BEGAN && cp input.txt out.txt
    deps: [input.txt]
    outs: [out.txt]
"""


def measure_tick(
    bench: Workbench, branches: int, over: Limit, ignored: Limit, *, runs: int
) -> Outcome:
    """Measure ticks without a run, in turn with ``git ls-remote``, in the same process."""
    command = (str(bench.programs.python), "-P", str(_TICK), str(branches), str(_ROUNDS))
    program = Program("python tick.py", command)
    found: dict[str, list[float]] = {"nothing": [], "ls_remote": [], "ignored": []}

    def attempt() -> Sample:
        repository = bench.build(graph_files(trivial_graph(3)))
        finished = bench.execute(program, repository)
        document = json.loads(finished.stdout)
        for name, seconds in found.items():
            if len(document[name]) != _ROUNDS:
                raise WrongRun(f"{program.shown}: {len(document[name])} rounds", "measure all")
            seconds += document[name]
        return Sample(statistics.median(document["nothing"]), finished.sample.cpu_seconds)

    (ours,) = bench.take_turns([Contender(OURS, program, 3, attempt)], runs)
    more = statistics.median(found["nothing"]) - statistics.median(found["ls_remote"])
    figures = (
        over.figure(more * 1000),
        ignored.figure(statistics.median(found["ignored"])),
        Figure("git ls-remote", Unit.MILLISECONDS, statistics.median(found["ls_remote"]) * 1000),
    )
    return Outcome(ours, None, figures, (), ("ticks and git ls-remote in turn, in one process",))


def measure_push(bench: Workbench, limit: Limit, *, runs: int) -> Outcome:
    """Measure from the end of a push to the first stage of its run, with a warm daemon."""
    command = (str(bench.programs.python), "-P", str(_PUSH))
    program = Program("python push.py", command)
    seconds: list[float] = []

    def attempt() -> Sample:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        repository = bench.build({"dvc.yaml": _ONE_STAGE, "input.txt": b"first\n"})
        finished = bench.execute(
            Program(program.shown, (*command, str(port), str(_PUSHES))), repository
        )
        document = json.loads(finished.stdout)
        if len(document["seconds"]) != _PUSHES:
            raise WrongRun(f"{program.shown}: {len(document['seconds'])} runs", "measure all")
        seconds.extend(one - document["interval"] for one in document["seconds"])
        return Sample(statistics.median(document["seconds"]), finished.sample.cpu_seconds)

    (ours,) = bench.take_turns([Contender(OURS, program, 1, attempt)], runs)
    figures = (
        limit.figure(statistics.median(seconds)),
        Figure("the slowest", Unit.SECONDS, max(seconds)),
    )
    note = "from the end of the push to the first stage, minus one tick interval (5 s)"
    return Outcome(ours, None, figures, (), (note,))
