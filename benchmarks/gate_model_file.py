"""The model-file gate, against one sequential read and hash of the same file."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from benchmarks.errors import NotPossible, WrongRun
from benchmarks.figures import Figure, Limit, Unit, ratio
from benchmarks.graphs import trivial_graph
from benchmarks.measurement import Sample
from benchmarks.procedures import OURS, Outcome
from benchmarks.programs import Program
from benchmarks.repositories import Repository, graph_files
from benchmarks.workbench import Contender, Workbench

HASH = "read and hash"
_SCRIPT = Path(__file__).with_name("judge_model_file.py")
_HINT = "only a judgement of all bytes counts"
_PLAIN, _PACKED = "model.joblib", "model-zlib.joblib"
_ARRAYS = 8


def measure_model_file(bench: Workbench, megabytes: int, limit: Limit, *, runs: int) -> Outcome:
    """Measure the check of a joblib file, uncompressed and compressed with zlib.

    Everything is measured after the imports of the calling process, with the file in the page cache
    after a warm-up. The target applies to the uncompressed file: unpacking the other one takes
    several times as long as hashing it.
    """
    template = bench.build(graph_files(trivial_graph(1)))
    bench.say(f"{megabytes} MB of model, plain and compressed: write")
    write_models(template.work, megabytes)

    def contender(name: str, how: str, file: str) -> Contender:
        command = (str(bench.programs.python), "-P", str(_SCRIPT), how, file)
        program = Program(f"python judge_model_file.py {how} {file}", command)
        return Contender(name, program, 1, partial(_attempt, bench, program, template), 1)

    plain, read, packed, read_packed = bench.take_turns(
        [
            contender(OURS, "gate", _PLAIN),
            contender(HASH, "hash", _PLAIN),
            contender(OURS, "gate", _PACKED),
            contender(HASH, "hash", _PACKED),
        ],
        runs,
    )
    figures = (
        limit.figure(ratio(plain, read)),
        Figure("compressed with zlib", Unit.RATIO, ratio(packed, read_packed)),
    )
    note = f"{megabytes} MB in the page cache; the gate hashes the file as well"
    return Outcome(plain, read, figures, (packed, read_packed), (note,))


def write_models(directory: Path, megabytes: int) -> None:
    """Write a model of random weights, plain and compressed.

    Raises:
        NotPossible: joblib or numpy is not installed.
    """
    try:
        import joblib  # type: ignore[import-untyped]  # it declares no types
        import numpy as np
    except ImportError as error:
        raise NotPossible(f"missing: {error.name}", "measure with: make bench") from error
    random = np.random.default_rng(0)
    length = megabytes * 1_000_000 // 8 // _ARRAYS
    model = {f"weights-{number}": random.normal(size=length) for number in range(_ARRAYS)}
    joblib.dump(model, directory / _PLAIN)
    joblib.dump(model, directory / _PACKED, compress=("zlib", 3))


def _attempt(bench: Workbench, program: Program, repository: Repository) -> Sample:
    finished = bench.execute(program, repository)
    try:
        document = json.loads(finished.stdout)
        sample = Sample(float(document["seconds"]), float(document["cpu_seconds"]))
        passed, sha256 = document["passed"], document["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise WrongRun(f"{program.shown}: invalid document", _HINT) from error
    if passed is not True or not isinstance(sha256, str) or len(sha256) != 64:
        raise WrongRun(f"{program.shown}: the model did not pass", _HINT)
    return sample
