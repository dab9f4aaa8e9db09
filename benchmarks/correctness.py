"""The correctness of a run, checked from its files and not from its output.

A time counts only after these checks. Each raises `WrongRun`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.errors import NotPossible, WrongRun
from benchmarks.example import Pipeline, parse_lock
from benchmarks.graphs import Graph
from benchmarks.measurement import Finished
from benchmarks.repositories import Repository

_HINT = "run the command by hand: it does not do its work here"
_SHOWN = 5


def check_success(finished: Finished, shown: str, codes: Collection[int] = (0,)) -> None:
    """Check the exit code of a command.

    Args:
        shown: the command, for the message.
        codes: exit codes of success.
    """
    if finished.code not in codes:
        tail = " | ".join((finished.stdout + finished.stderr).strip().splitlines()[-_SHOWN:])
        raise WrongRun(f"{shown}: exit code {finished.code}: {tail}", _HINT)


def check_outs(repository: Repository, graph: Graph) -> None:
    """Check that every stage wrote the expected out."""
    wrong = [
        stage.out
        for stage in graph.stages
        if _content(repository.work / stage.out) != stage.content
    ]
    if wrong:
        raise WrongRun(f"outs missing or wrong: {_some(wrong)}", _HINT)


def check_run(repository: Repository, graph: Graph) -> None:
    """Check the outs and the lock, to the byte, after a run of all stages."""
    check_outs(repository, graph)
    lock = repository.read_lock()
    if lock == graph.dvc_lock().encode():
        return
    missing = {stage.name for stage in graph.stages} - _stages_of(lock)
    what = f"stages missing: {_some(sorted(missing))}" if missing else "not as DVC writes it"
    raise WrongRun(f"dvc.lock: {what}", _HINT)


def check_pipeline(repository: Repository, pipeline: Pipeline) -> None:
    """Check that all outs of a pipeline exist and its lock has all stages and outs."""
    missing = [path for path in sorted(pipeline.outs) if not (repository.work / path).exists()]
    if missing:
        raise WrongRun(f"outs missing: {_some(missing)}", _HINT)
    try:
        found = parse_lock(repository.read_lock())
    except NotPossible as error:
        raise WrongRun(error.message, _HINT) from error
    if found != (pipeline.stages, pipeline.outs):
        raise WrongRun("dvc.lock: other stages or outs than the committed one", _HINT)


def check_all_skipped(finished: Finished, count: int) -> None:
    """Check the document of ``ml-assets run --json``: as many assets as stages, all skipped."""
    try:
        assets: list[dict[str, Any]] = json.loads(finished.stdout)["assets"]
        actions = [asset["action"] for asset in assets]
    except (ValueError, KeyError, TypeError) as error:
        raise WrongRun("ml-assets run --json: invalid document", _HINT) from error
    if actions != ["skip"] * count:
        others = sum(action != "skip" for action in actions)
        raise WrongRun(f"not a no-op: {others} of {len(actions)} assets were not skipped", _HINT)


@dataclass(frozen=True)
class Snapshot:
    """The state of all outs and of the lock; running or restoring a stage changes it.

    Attributes:
        outs: inode, size and times in nanoseconds of every out.
    """

    outs: tuple[tuple[int, int, int, int], ...]
    lock: bytes

    def check_unchanged(self, repository: Repository, graph: Graph) -> None:
        """Check that nothing ran since the snapshot was taken."""
        if take_snapshot(repository, graph) != self:
            raise WrongRun("not a no-op: outs or dvc.lock were written", _HINT)


def take_snapshot(repository: Repository, graph: Graph) -> Snapshot:
    """Take a snapshot of a repository in which every stage is done."""
    check_run(repository, graph)
    states = [(repository.work / stage.out).stat() for stage in graph.stages]
    return Snapshot(
        tuple(
            (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns) for state in states
        ),
        repository.read_lock(),
    )


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _stages_of(lock: bytes) -> frozenset[str]:
    try:
        return parse_lock(lock)[0]
    except NotPossible:
        return frozenset()


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
