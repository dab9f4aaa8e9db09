"""The supply: restoring data from the cache into an empty working tree."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from pathlib import Path

from benchmarks.errors import WrongRun
from benchmarks.figures import Figure, Limit, Unit, ratio
from benchmarks.measurement import Sample
from benchmarks.procedures import DVC, OURS, Outcome
from benchmarks.programs import Program
from benchmarks.repositories import Repository
from benchmarks.workbench import Contender, Workbench

_SCRIPT = Path(__file__).with_name("supply_data.py")
_HINT = "only all of the data, and the right bytes, count"
_DATA = "data"


def measure_supply(
    bench: Workbench, count: int, megabytes: int, limit: Limit, *, runs: int
) -> Outcome:
    """Measure the placement of a directory beside ``dvc checkout`` that makes hard links too.

    Ours is measured inside a process, DVC's command as a whole; its start is the smaller part. Each
    has its own repository and cache, because hard links change the status of the linked files.
    """
    size = (megabytes << 20) // count
    own, peer = (_build(bench, count, size) for _ in range(2))
    ours = Program(
        f"python supply_data.py {_DATA}", (str(bench.programs.python), "-P", str(_SCRIPT), _DATA)
    )
    checkout = _dvc(bench, "checkout", "--quiet", f"{_DATA}.dvc")
    supplied, checked_out = bench.take_turns(
        [
            Contender(OURS, ours, 1, partial(_supply, bench, ours, own, count), 1),
            Contender(DVC, checkout, 1, partial(_check_out, bench, checkout, peer, count, size), 1),
        ],
        runs,
    )
    figures = (
        limit.figure(supplied.median_seconds),
        Figure("dvc checkout", Unit.RATIO, ratio(supplied, checked_out)),
    )
    note = f"{count} files, {megabytes} MiB; {_how(own)}; digests of the objects are known"
    return Outcome(supplied, checked_out, figures, (), (note,))


def _dvc(bench: Workbench, *arguments: str) -> Program:
    return Program(f"dvc {' '.join(arguments)}", (*bench.programs.dvc.command, *arguments))


def _build(bench: Workbench, count: int, size: int) -> Repository:
    """Build a repository with data only in its cache."""
    repository = bench.build({})
    bench.say(f"{count} files of {size} bytes: write and add")
    directory = repository.work / _DATA
    directory.mkdir()
    block = bytes(range(256)) * (size // 256 + 1)
    for number in range(count):
        (directory / f"{number:05}.csv").write_bytes((b"%05d" % number + block)[:size])
    bench.execute(_dvc(bench, "config", "cache.type", "hardlink"), repository)
    bench.execute(_dvc(bench, "add", "--quiet", _DATA), repository)
    shutil.rmtree(directory)
    return repository


def _supply(bench: Workbench, program: Program, repository: Repository, count: int) -> Sample:
    finished = bench.execute(program, repository)
    try:
        document = json.loads(finished.stdout)
        sample = Sample(float(document["seconds"]), float(document["cpu_seconds"]))
        right = document["md5"] == document["supplied"] and document["files"] == count
    except (ValueError, KeyError, TypeError) as error:
        raise WrongRun(f"{program.shown}: invalid document", _HINT) from error
    if not right:
        raise WrongRun(f"{program.shown}: wrong files placed", _HINT)
    _remember_how(repository)
    shutil.rmtree(repository.work / _DATA)
    return sample


def _check_out(
    bench: Workbench, program: Program, repository: Repository, count: int, size: int
) -> Sample:
    finished = bench.execute(program, repository)
    sizes = [file.stat().st_size for file in (repository.work / _DATA).iterdir()]
    if sizes != [size] * count:
        raise WrongRun(f"{program.shown}: wrong files placed", _HINT)
    shutil.rmtree(repository.work / _DATA)
    return finished.sample


def _remember_how(repository: Repository) -> None:
    links = {os.stat(file).st_nlink for file in (repository.work / _DATA).iterdir()}
    text = "by hard links" if links == {2} else "by shared blocks or copies"
    (repository.output / "how").write_text(text, encoding="utf-8")


def _how(repository: Repository) -> str:
    return (repository.output / "how").read_text(encoding="utf-8")
