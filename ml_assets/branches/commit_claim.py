"""The claim of a commit: which run executes a commit that a sensor requests.

A run and its automatic retries share the id of the first of them, and claim together.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.storage.tags import RETRY_NUMBER_TAG

from ml_assets.branches.run_claim import claim, find_holder
from ml_assets.branches.run_outcome import Outcome, find_outcome, has_group_died
from resources.stores.seal import Seal


def claim_commit(
    home: Path, instance: dg.DagsterInstance, run: dg.DagsterRun, name: str, seal: Seal
) -> str | None:
    """Claim a commit for a run, or find the run that keeps this one from executing it.

    1. Dagster has reported the end of this run: another run may execute the commit by now.
    2. Dagster retries a run that was killed after its op had ended.
    3. The first run gets the claim. If it and its retries have died, the next one gets it.

    Args:
        home: the directory of the watch.
        run: the run that asks; its worker file exists.
        name: the branch and the commit.

    Returns:
        None with the claim, or else the id of the other run.
    """
    root = run.root_run_id or run.run_id
    with _alone(home):
        current = instance.get_run_by_id(run.run_id)
        if current is None or current.is_finished:  # 1
            return run.run_id
        if RETRY_NUMBER_TAG in run.tags and run.parent_run_id is not None:  # 2
            parent = instance.get_run_by_id(run.parent_run_id)
            if parent is not None and find_outcome(instance, parent) is Outcome.JUDGED:
                return parent.run_id
        holder = _claim(home / "claims", instance, root, name, seal)  # 3
    return None if holder == root else holder


def _claim(directory: Path, instance: dg.DagsterInstance, root: str, name: str, seal: Seal) -> str:
    last, free, number = None, name, 0
    while (holder := find_holder(directory, free, seal)) is not None:
        number += 1
        last, free = holder, f"{name}+{number}"
    if last is None or (last != root and has_group_died(instance, last)):
        return claim(directory, free, root, seal)
    return last


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Let no other run claim a commit within the block."""
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "claims.lock", "a+b") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield
