"""The procedures: the measurement of each kind of case, and the computation of its figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.correctness import (
    Snapshot,
    check_all_skipped,
    check_outs,
    check_pipeline,
    check_run,
    take_snapshot,
)
from benchmarks.errors import WrongRun
from benchmarks.example import ROOT, load_example
from benchmarks.figures import (
    Figure,
    Limit,
    Series,
    Unit,
    divide,
    overhead_ms,
    ratio,
    stage_cost_ms,
)
from benchmarks.graphs import Graph, trivial_graph
from benchmarks.measurement import Sample
from benchmarks.programs import SHELL, Program
from benchmarks.repositories import Repository, commit_all, graph_files, write_done_state
from benchmarks.workbench import Contender, Workbench

OURS, DVC, BARE = "ml-assets", "dvc", "bare"
_LOADER = Path(__file__).with_name("load_definitions.py")
_LOAD_HINT = "only a load of all stages from the cached manifest counts"
_SCRIPT = "bare.sh"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a case.

    Attributes:
        peer: None without a peer.
        more: other series that the figures use.
        notes: remarks on the figures.
    """

    ours: Series
    peer: Series | None
    figures: tuple[Figure, ...]
    more: tuple[Series, ...] = ()
    notes: tuple[str, ...] = ()


def measure_cold(
    bench: Workbench,
    graph: Graph,
    limit: Limit,
    *,
    runs: int,
    jobs: int | None = None,
    cores: int | None = None,
    slow_peer: bool = False,
) -> Outcome:
    """Measure runs of every stage, each in a fresh copy of the repository."""
    template = bench.build(graph_files(graph))
    run = bench.programs.run
    if jobs is not None:
        run = run.with_arguments("--jobs", str(jobs))

    def contender(name: str, program: Program, slow: bool) -> Contender:
        check = partial(check_run, graph=graph)
        attempt = partial(attempt_cold, bench, template, program, check, cores)
        return Contender(name, program, len(graph), attempt, slow=slow)

    ours, peer = bench.take_turns(
        [contender(OURS, run, False), contender(DVC, bench.programs.repro, slow_peer)], runs
    )
    return Outcome(ours, peer, (limit.figure(ratio(ours, peer)),))


def measure_noop(
    bench: Workbench, stages: int, limit: Limit, seconds: Limit, *, runs: int
) -> Outcome:
    """Measure runs with nothing to do, ours and the peer's in the same repository.

    Our own run of all stages prepares it. The peer's warm-up shows that it finds nothing to do,
    too.
    """
    graph = trivial_graph(stages)
    repository = bench.build(graph_files(graph))
    bench.say(f"{bench.programs.run.shown}: {stages} stages: prepare")
    bench.execute(bench.programs.run, repository)
    check_run(repository, graph)
    commit_all(repository, bench.programs)
    _settle(bench, repository, graph)
    ours, peer = bench.take_turns(
        [
            _noop(bench, OURS, bench.programs.run, repository, graph),
            _noop(bench, DVC, bench.programs.repro, repository, graph),
        ],
        runs,
    )
    figures = (limit.figure(ratio(ours, peer)), seconds.figure(ours.median_seconds))
    return Outcome(ours, peer, figures)


def measure_growth(bench: Workbench, small: int, large: int, limit: Limit, *, runs: int) -> Outcome:
    """Measure how the cost per stage of a run with nothing to do grows with the stages.

    The done state is generated, instead of running thousands of stages first.
    """
    contenders = []
    for stages in (1, small, large):
        graph = trivial_graph(stages)
        repository = _build_done(bench, graph)
        contenders.append(_noop(bench, OURS, bench.programs.run, repository, graph))
    if bench.options.with_slow_peers:
        contenders.append(_noop(bench, DVC, bench.programs.repro, repository, graph, slow=True))
    startup, few, many, *rest = bench.take_turns(contenders, runs)
    peer = rest[0] if rest else None
    cost_few, cost_many = stage_cost_ms(few, startup), stage_cost_ms(many, startup)
    figures = (
        limit.figure(divide(cost_many, cost_few)),
        Figure(f"cost per stage, {small} stages", Unit.MILLISECONDS, cost_few),
        Figure(f"cost per stage, {large} stages", Unit.MILLISECONDS, cost_many),
        Figure(f"dvc repro, {large} stages", Unit.RATIO, ratio(many, peer)),
    )
    left_out = f"dvc repro is not run on {large} stages by default; add: --with-slow-peers"
    return Outcome(many, peer, figures, (startup, few), () if peer else (left_out,))


def measure_overhead(
    bench: Workbench, stages: int, peer_stages: int, limit: Limit, *, runs: int
) -> Outcome:
    """Measure the cost of a stage on top of its command, with the default number of jobs."""
    graph, peer_graph = trivial_graph(stages), trivial_graph(peer_stages)
    template, peer_template = _with_script(bench, graph), _with_script(bench, peer_graph)
    run, repro = bench.programs.run, bench.programs.repro
    bare = Program(f"sh {_SCRIPT}", (SHELL, _SCRIPT))

    def contender(
        name: str,
        program: Program,
        where: Repository,
        what: Graph,
        check: Callable[[Repository, Graph], None] = check_run,
    ) -> Contender:
        attempt = partial(
            attempt_cold, bench, where, program, lambda repository: check(repository, what), None
        )
        return Contender(name, program, len(what), attempt, warm_ups=1)

    ours, ours_bare, peer_bare, peer = bench.take_turns(
        [
            contender(OURS, run, template, graph),
            contender(BARE, bare, template, graph, check_outs),
            contender(BARE, bare, peer_template, peer_graph, check_outs),
            replace(contender(DVC, repro, peer_template, peer_graph), warm_ups=0, slow=True),
        ],
        runs,
    )
    figures = (
        limit.figure(overhead_ms(ours, ours_bare)),
        Figure(f"dvc, {peer_stages} stages", Unit.MILLISECONDS, overhead_ms(peer, peer_bare)),
    )
    note = f"ml-assets on {stages} stages, dvc on {peer_stages}: compare the figures, not the times"
    return Outcome(ours, peer, figures, (ours_bare, peer_bare), (note,))


def measure_load(bench: Workbench, stages: int, limit: Limit, *, runs: int) -> Outcome:
    """Measure the loading of Dagster's definitions, in a process that has imported dagster."""
    graph = trivial_graph(stages)
    repository = _build_done(bench, graph)
    command = (str(bench.programs.python), "-P", str(_LOADER))
    program = Program("python load_definitions.py", command)
    attempt = partial(_attempt_load, bench, repository, program, stages)
    (ours,) = bench.take_turns([Contender(OURS, program, stages, attempt, warm_ups=1)], runs)
    note = "no peer loads such a graph; the time starts after `import dagster`"
    return Outcome(ours, None, (limit.figure(ours.median_seconds),), notes=(note,))


def measure_example(bench: Workbench, limit: Limit, *, runs: int, root: Path = ROOT) -> Outcome:
    """Measure this repository's own pipeline, each time in a fresh copy."""
    pipeline = load_example(root)
    template = bench.build(dict(pipeline.files))
    check = partial(check_pipeline, pipeline=pipeline)
    ours, peer = bench.take_turns(
        [
            Contender(
                name,
                program,
                len(pipeline.stages),
                partial(attempt_cold, bench, template, program, check, None),
            )
            for name, program in ((OURS, bench.programs.run), (DVC, bench.programs.repro))
        ],
        runs,
    )
    return Outcome(ours, peer, (limit.figure(ratio(ours, peer)),))


def attempt_cold(
    bench: Workbench,
    template: Repository,
    program: Program,
    check: Callable[[Repository], None],
    cores: int | None,
) -> Sample:
    """Measure a command once in a fresh copy of a repository, and check its result.

    Args:
        cores: number of processors; None for all.
    """
    with bench.copy(template) as repository:
        finished = bench.execute(program, repository, cores=cores)
        check(repository)
    return finished.sample


def _attempt_noop(
    bench: Workbench, program: Program, repository: Repository, graph: Graph, before: Snapshot
) -> Sample:
    finished = bench.execute(program, repository)
    before.check_unchanged(repository, graph)
    return finished.sample


def _attempt_load(
    bench: Workbench, repository: Repository, program: Program, stages: int
) -> Sample:
    variables = {"ML_ASSETS_PROJECT": str(repository.work)}
    finished = bench.execute(program, repository, variables=variables)
    try:
        document = json.loads(finished.stdout)
        sample = Sample(float(document["seconds"]), float(document["cpu_seconds"]))
        found = (document["assets"], document["imported_dvc"])
    except (ValueError, KeyError, TypeError) as error:
        raise WrongRun(f"{program.shown}: invalid document", _LOAD_HINT) from error
    expected = stages + 1  # and the source
    if found != (expected, False):
        what = f"{found[0]} assets of {expected}, asked dvc: {found[1]}"
        raise WrongRun(f"{program.shown}: {what}", _LOAD_HINT)
    return sample


def _noop(
    bench: Workbench,
    name: str,
    program: Program,
    repository: Repository,
    graph: Graph,
    *,
    slow: bool = False,
) -> Contender:
    before = take_snapshot(repository, graph)
    attempt = partial(_attempt_noop, bench, program, repository, graph, before)
    return Contender(name, program, len(graph), attempt, warm_ups=1, slow=slow)


def _build_done(bench: Workbench, graph: Graph) -> Repository:
    """Build a repository with every stage done and recorded in Dagster's storage."""
    repository = bench.build(graph_files(graph))
    write_done_state(repository, graph)
    commit_all(repository, bench.programs)
    _settle(bench, repository, graph)
    return repository


def _settle(bench: Workbench, repository: Repository, graph: Graph) -> None:
    """Run until nothing is left to read or record, and check that no stage runs."""
    before = take_snapshot(repository, graph)
    bench.say(f"{bench.programs.run.shown}: {len(graph)} stages: read and record")
    bench.execute(bench.programs.run, repository)
    as_json = bench.programs.run.with_arguments("--json")
    check_all_skipped(bench.execute(as_json, repository), len(graph))
    before.check_unchanged(repository, graph)


def _with_script(bench: Workbench, graph: Graph) -> Repository:
    return bench.build({**graph_files(graph), _SCRIPT: graph.shell_script().encode()})
