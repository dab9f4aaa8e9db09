"""The cases: the measurement, the peer and the target of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.figures import Limit, Unit
from benchmarks.gate_dependencies import measure_dependencies
from benchmarks.gate_model_file import measure_model_file
from benchmarks.gate_no_change import measure_no_change
from benchmarks.gate_static import measure_static
from benchmarks.graphs import cpu_graph, sleep_graph, trivial_graph
from benchmarks.output import measure_output
from benchmarks.procedures import (
    Outcome,
    measure_cold,
    measure_example,
    measure_growth,
    measure_load,
    measure_noop,
    measure_overhead,
)
from benchmarks.proof_commands import measure_impact, measure_small_verification
from benchmarks.proof_model import measure_proof, measure_verification
from benchmarks.proof_stage import measure_stage_proof
from benchmarks.separation import measure_separation
from benchmarks.snakemake import measure_beside_snakemake
from benchmarks.supply import measure_supply
from benchmarks.watching import measure_push, measure_tick
from benchmarks.workbench import Workbench


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        limits: its targets, in the order of the arguments of `procedure`.
        procedure: measures it, or raises `BenchmarkError`.
    """

    name: str
    summary: str
    limits: tuple[Limit, ...]
    procedure: Callable[[Workbench, tuple[Limit, ...]], Outcome]

    def measure(self, bench: Workbench) -> Outcome:
        """Measure it."""
        return self.procedure(bench, self.limits)


def _of_peer(most: float) -> Limit:
    return Limit("dvc repro", Unit.RATIO, most)


CASES = (
    Case(
        "cold-500",
        "500 trivial stages, nothing run before",
        (_of_peer(0.1),),
        lambda bench, limits: measure_cold(
            bench, trivial_graph(500), *limits, runs=3, slow_peer=True
        ),
    ),
    Case(
        "cold-200",
        "200 trivial stages, nothing run before",
        (_of_peer(0.1),),
        lambda bench, limits: measure_cold(bench, trivial_graph(200), *limits, runs=3),
    ),
    Case(
        "one-stage",
        "one trivial stage, nothing run before, the whole command",
        (_of_peer(1.0),),
        lambda bench, limits: measure_cold(bench, trivial_graph(1), *limits, runs=7),
    ),
    Case(
        "snakemake-500",
        "500 trivial stages, nothing run before, on 2 cores, beside Snakemake",
        (Limit("snakemake", Unit.RATIO, 1.0),),
        lambda bench, limits: measure_beside_snakemake(bench, trivial_graph(500), *limits, runs=3),
    ),
    Case(
        "output-2m",
        "one stage that prints 2,000,000 lines",
        (_of_peer(1.2),),
        lambda bench, limits: measure_output(bench, 2_000_000, *limits, runs=3),
    ),
    Case(
        "noop-500",
        "500 stages with nothing to do, the whole command",
        (_of_peer(0.25), Limit("whole command", Unit.SECONDS, 1.0)),
        lambda bench, limits: measure_noop(bench, 500, *limits, runs=5),
    ),
    Case(
        "noop-5000",
        "5,000 stages with nothing to do: growth of the cost per stage",
        # 1 means no growth; 0.1 allows for the noise in two small differences of medians.
        (Limit("cost per stage at 500", Unit.RATIO, 1.1),),
        lambda bench, limits: measure_growth(bench, 500, 5000, *limits, runs=7),
    ),
    Case(
        "parallel-cpu",
        "8 independent stages of 2 s CPU, on 2 cores",
        (_of_peer(0.6),),
        lambda bench, limits: measure_cold(
            bench, cpu_graph(8, 2), *limits, runs=3, jobs=2, cores=2
        ),
    ),
    Case(
        "parallel-sleep",
        "8 independent stages that sleep 2 s, --jobs 8",
        (_of_peer(0.25),),
        lambda bench, limits: measure_cold(bench, sleep_graph(8, 2), *limits, runs=3, jobs=8),
    ),
    Case(
        "overhead",
        "cost of a stage on top of its bare command, 200 trivial stages",
        (Limit("per stage", Unit.MILLISECONDS, 50.0),),
        lambda bench, limits: measure_overhead(bench, 200, 100, *limits, runs=3),
    ),
    Case(
        "load-1000",
        "Dagster's definitions of 1,000 stages, from the cached manifest",
        (Limit("after import dagster", Unit.SECONDS, 1.0),),
        lambda bench, limits: measure_load(bench, 1000, *limits, runs=5),
    ),
    Case(
        "flight-delays",
        "this repository's own pipeline, nothing run before",
        (_of_peer(1.0),),
        lambda bench, limits: measure_example(bench, *limits, runs=3),
    ),
    Case(
        "static-gates",
        "all static gates on this repository, no stored results, on 2 cores",
        (Limit("max(slowest tool, half of all)", Unit.RATIO, 1.1),),
        lambda bench, limits: measure_static(bench, *limits, runs=3),
    ),
    Case(
        "no-change",
        "all gates on this repository, all results stored, the whole command",
        (Limit("source only", Unit.SECONDS, 1.0), Limit("with outs", Unit.SECONDS, 1.0)),
        lambda bench, limits: measure_no_change(bench, *limits, runs=7),
    ),
    Case(
        "packages-500",
        "500 pinned packages against the bundled advisories, their index built",
        (Limit("the gate itself", Unit.SECONDS, 0.5),),
        lambda bench, limits: measure_dependencies(bench, 500, *limits, runs=5),
    ),
    Case(
        "model-file",
        "the model-file gate on 250 MB of joblib",
        (Limit("read and hash", Unit.RATIO, 2.0),),
        lambda bench, limits: measure_model_file(bench, 250, *limits, runs=5),
    ),
    Case(
        "proof-1gib",
        "hash, lock entry, provenance and signature of a model of 1 GiB",
        (Limit("its size read", Unit.RATIO, 2.0), Limit("the slower pass", Unit.RATIO, 1.5)),
        lambda bench, limits: measure_proof(bench, 1024, *limits, runs=5),
    ),
    Case(
        "verify-1gib",
        "the verification of a model of 1 GiB: bytes, signature, provenance",
        (Limit("one sha256 pass", Unit.RATIO, 1.15),),
        lambda bench, limits: measure_verification(bench, 1024, *limits, runs=7),
    ),
    Case(
        "impact-100000",
        "impact of a file, in a ledger of 100,000 statements, the whole command",
        (Limit("whole command", Unit.SECONDS, 1.0),),
        lambda bench, limits: measure_impact(bench, 100_000, *limits, runs=5),
    ),
    Case(
        "proof-stage",
        "the proof of a stage of this repository's own pipeline",
        (Limit("per stage", Unit.MILLISECONDS, 50.0),),
        lambda bench, limits: measure_stage_proof(bench, *limits, runs=5),
    ),
    Case(
        "separation",
        "the start of a stage with a view of the files, and a signature of the signer process",
        (
            Limit("a start with Landlock alone", Unit.MILLISECONDS, 5.0),
            Limit("a signature in the same process", Unit.MILLISECONDS, 1.0),
        ),
        lambda bench, limits: measure_separation(bench, *limits, runs=5),
    ),
    Case(
        "supply-1gib",
        "2,000 files, 1 GiB in total, restored from DVC's cache into an empty working tree",
        (Limit("placed", Unit.SECONDS, 1.0),),
        lambda bench, limits: measure_supply(bench, 2000, 1024, *limits, runs=5),
    ),
    Case(
        "verify-small",
        "the verification of a small file, the whole command",
        (Limit("whole command", Unit.SECONDS, 1.0),),
        lambda bench, limits: measure_small_verification(bench, *limits, runs=7),
    ),
    Case(
        "tick-20",
        "a tick over 20 branches without news; and one over a commit with only ignored changes",
        (
            Limit("over git ls-remote", Unit.MILLISECONDS, 50.0),
            Limit("nothing relevant", Unit.SECONDS, 1.0),
        ),
        lambda bench, limits: measure_tick(bench, 20, *limits, runs=3),
    ),
    Case(
        "push-to-stage",
        "time from a push to the first stage of its run, with a warm daemon",
        (Limit("over an interval of ticks", Unit.SECONDS, 3.0),),
        lambda bench, limits: measure_push(bench, *limits, runs=1),
    ),
)
