"""The no-change case: a check with all results stored, as a whole command."""

from __future__ import annotations

from functools import partial

from benchmarks.errors import WrongRun
from benchmarks.figures import Limit
from benchmarks.gate_document import read_judgements
from benchmarks.measurement import Sample
from benchmarks.procedures import OURS, Outcome
from benchmarks.programs import Program
from benchmarks.repositories import Repository
from benchmarks.this_repository import count_stages, read_outs, read_source, with_short_suites
from benchmarks.workbench import Contender, Workbench

_HINT = "only a check with all results from the store counts"


def measure_no_change(
    bench: Workbench,
    source: Limit,
    outs: Limit,
    *,
    runs: int,
    files: dict[str, bytes] | None = None,
    made: dict[str, bytes] | None = None,
) -> Outcome:
    """Measure a check of this repository with nothing changed, without and with its outs.

    The first check runs all gates. The unit and integration tests would take minutes, so each suite
    has one test.

    Args:
        files: the files of a repository; None takes this one's.
        made: its outs; None takes this repository's.
    """
    files = with_short_suites(read_source()) if files is None else files
    made = read_outs() if made is None else made
    check = bench.programs.ml_assets.with_arguments("check", "--json")

    def contender(name: str, held: dict[str, bytes]) -> Contender:
        repository = bench.build(held)
        bench.say(f"{check.shown}: {len(held)} files: run all gates")
        gates = _prepare(bench, check, repository)
        attempt = partial(_attempt, bench, check, repository, gates)
        return Contender(name, check, count_stages(held), attempt, warm_ups=1)

    plain, whole = bench.take_turns(
        [
            contender("ml-assets, source only", files),
            contender(OURS, {**files, **made}),
        ],
        runs,
    )
    figures = (source.figure(plain.median_seconds), outs.figure(whole.median_seconds))
    return Outcome(whole, None, figures, (plain,), ("no peer stores results",))


def _prepare(bench: Workbench, check: Program, repository: Repository) -> int:
    """Run all gates, and return the number of results."""
    judgements = read_judgements(bench.execute(check, repository), check.shown)
    wrong = [str(one) for one in judgements if not one.complete]
    if wrong:
        raise WrongRun(f"{check.shown}: incomplete results: {'; '.join(wrong)}", _HINT)
    return len(judgements)


def _attempt(bench: Workbench, check: Program, repository: Repository, gates: int) -> Sample:
    finished = bench.execute(check, repository)
    judgements = read_judgements(finished, check.shown)
    cached = sum(one.cached for one in judgements)
    if not gates == len(judgements) == cached:
        raise WrongRun(f"{check.shown}: {cached} of {gates} results were cached", _HINT)
    return finished.sample
