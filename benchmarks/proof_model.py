"""Proof of a model: hashing, signing and verifying, against bare hash passes."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.errors import WrongRun
from benchmarks.figures import Figure, Limit, Series, Unit, ratio
from benchmarks.graphs import trivial_graph
from benchmarks.measurement import Sample
from benchmarks.procedures import OURS, Outcome
from benchmarks.programs import Program
from benchmarks.repositories import Repository, graph_files
from benchmarks.workbench import Contender, Workbench

_SCRIPT = Path(__file__).with_name("prove.py")
_HINT = "only a run that reads all bytes counts"
_MODEL = "model.bin"
_BLOCK = 1 << 20


@dataclass
class _Passes:
    """Runs of the script on one file, which must all give the same digest."""

    bench: Workbench
    repository: Repository
    size: int
    sha256: set[str] = field(default_factory=set)
    read: dict[str, int] = field(default_factory=dict)

    def contender(self, name: str, how: str) -> Contender:
        """Return a contender for one use of the file, with a warm-up for the page cache."""
        command = (str(self.bench.programs.python), "-P", str(_SCRIPT), how, _MODEL)
        program = Program(f"python prove.py {how} {_MODEL}", command)
        return Contender(name, program, 1, partial(self._attempt, program, how), 1)

    def _attempt(self, program: Program, how: str) -> Sample:
        finished = self.bench.execute(program, self.repository)
        try:
            document = json.loads(finished.stdout)
            sample = Sample(float(document["seconds"]), float(document["cpu_seconds"]))
            read, sha256 = int(document["bytes_read"]), str(document["sha256"])
        except (ValueError, KeyError, TypeError) as error:
            raise WrongRun(f"{program.shown}: invalid document", _HINT) from error
        self.read[how] = max(read, self.read.get(how, 0))
        if how != "md5":
            self.sha256.add(sha256)
        if read < self.size or len(self.sha256) > 1:
            raise WrongRun(f"{program.shown}: it read {read} bytes of {self.size}", _HINT)
        return sample

    def times_read(self, how: str) -> float:
        """Return how many times the bytes of the file were read."""
        return self.read[how] / self.size


def measure_proof(
    bench: Workbench, megabytes: int, read: Limit, time: Limit, *, runs: int
) -> Outcome:
    """Measure hash, lock entry, provenance and signature of a model."""
    passes = _prepare(bench, megabytes)
    prove, md5, sha256, both = bench.take_turns(
        [
            passes.contender(OURS, "prove"),
            passes.contender("md5", "md5"),
            passes.contender("sha256", "sha256"),
            passes.contender("sha256 and md5 together", "both"),
        ],
        runs,
    )
    slower = max((md5, sha256), key=lambda one: one.median_seconds or 0.0)
    figures = (
        read.figure(passes.times_read("prove")),
        time.figure(ratio(prove, slower)),
        Figure("reads of the bytes for both digests", Unit.RATIO, passes.times_read("both"), 1.01),
    )
    note = f"{megabytes} MB in the page cache; the slower pass is {slower.contender}"
    return Outcome(prove, slower, figures, (md5, sha256, both), (note,))


def measure_verification(bench: Workbench, megabytes: int, time: Limit, *, runs: int) -> Outcome:
    """Measure the verification of a model's bytes, signature and provenance."""
    passes = _prepare(bench, megabytes)
    verify, sha256, both = bench.take_turns(
        [
            passes.contender(OURS, "verify"),
            passes.contender("sha256", "sha256"),
            passes.contender("sha256 again", "sha256"),
        ],
        runs,
    )
    fastest = min((sha256, both), key=_median)
    note = f"{megabytes} MB in the page cache; sha256 is OpenSSL's, through hashlib"
    return Outcome(verify, fastest, (time.figure(ratio(verify, fastest)),), (), (note,))


def _median(series: Series) -> float:
    return series.median_seconds or float("inf")


def _prepare(bench: Workbench, megabytes: int) -> _Passes:
    repository = bench.build(graph_files(trivial_graph(1)))
    bench.say(f"{megabytes} MB of model: write")
    block = random.Random(0).randbytes(_BLOCK)  # nosec B311  # bytes to hash, no secret
    with (repository.work / _MODEL).open("wb") as stream:
        for _ in range(megabytes):
            stream.write(block)
    return _Passes(bench, repository, megabytes * _BLOCK)
