"""The restoration of outs from an earlier run with the same inputs."""

from __future__ import annotations

from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Stage
from resources.dvc.lock.lock_file import LockEntry
from resources.dvc.reuse import Reuse
from resources.dvc.staleness import inputs


def find_restorable(
    checkout: Checkout, stage: Stage, start: LockEntry, reuse: Reuse = Reuse()
) -> LockEntry | None:
    """Return a lock entry with the same inputs and all outs in the cache; None without one.

    Args:
        start: the inputs of the stage (``inputs.read_inputs``).
    """
    if reuse.force or not inputs.is_cacheable(stage):
        return None
    recorded = checkout.recorded(stage)
    if checkout.changed_deps.find(stage, recorded):
        recorded = None
    earlier = checkout.runs.find({**start, "outs": _out_paths(stage)}) if reuse.run_cache else None
    for found in (recorded, earlier):
        if found is not None and _answers(checkout, stage, start, found):
            return found
    return None


def _out_paths(stage: Stage) -> list[LockEntry]:
    return [{"path": out.path} for out in sorted(stage.outs, key=lambda out: out.path)]


def matches_inputs(found: LockEntry, start: LockEntry) -> bool:
    """Whether a recorded run had this command, these deps and these parameters."""
    return all(found.get(part) == start.get(part) for part in ("cmd", "deps", "params"))


def _answers(checkout: Checkout, stage: Stage, start: LockEntry, found: LockEntry) -> bool:
    if not matches_inputs(found, start):
        return False
    outs = {out["path"]: out.get("md5") for out in found.get("outs", ())}
    wanted = {out.path for out in stage.outs}
    if set(outs) != wanted:
        return False
    return all(md5 is not None and checkout.cache.holds(md5) for md5 in outs.values())
