"""The plan: the action of a run for each stage and its reasons, without running anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from resources.dvc.cache.content import RecordedContent
from resources.dvc.cache.recorded_tree import find_fields, find_inside
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Stage
from resources.dvc.lock.lock_file import LockEntry
from resources.dvc.run.stage_result import Action
from resources.dvc.staleness import freshness, inputs
from resources.dvc.staleness.restoration import find_restorable, matches_inputs
from resources.errors import CorruptObjectError, MissingInputError, StageError, UnavailableError


@dataclass(frozen=True)
class PlannedStage:
    """The action that a run would take for one stage.

    Attributes:
        reasons: why the stage is stale; empty for a fresh stage.
    """

    stage: Stage
    action: Action
    reasons: tuple[str, ...] = ()


def build_plan(checkout: Checkout, selected: Collection[str] | None = None) -> list[PlannedStage]:
    """Plan stages in the order of a run.

    A stage that runs with the inputs of its recorded run counts as writing the recorded outs again,
    which is what DVC's run cache assumes. Other new bytes are unknown: a stage downstream of them
    is planned to run too, though the run skips it if it finds them unchanged.

    Args:
        selected: names of stages to plan; None plans all.

    Raises:
        ConfigurationError: a lock file or a parameters file cannot be read.
    """
    steps: list[PlannedStage] = []
    foreseen: dict[str, LockEntry] = {}
    running: set[str] = set()
    for stage in checkout.manifest.stages:
        if selected is not None and stage.name not in selected:
            continue
        is_foreseen = False
        try:
            step = _plan_stage(checkout, stage, foreseen, running)
            is_foreseen = _is_foreseen(checkout, step, foreseen, running)
        except StageError as error:  # the run fails this stage with it, and no other
            step = PlannedStage(stage, Action.RUN, (f"unreadable: {error.message}",))
        if not is_foreseen:
            running.add(stage.name)
        steps.append(step)
    return steps


def _is_foreseen(
    checkout: Checkout, step: PlannedStage, foreseen: dict[str, LockEntry], running: set[str]
) -> bool:
    """Whether the outs after the run are known: those of the working tree, or recorded ones."""
    stage = step.stage
    if step.action is Action.SKIP:
        return True
    if not freshness.is_predictable(checkout, stage):
        return False  # only DVC's own code can tell
    if step.action is Action.RESTORE or stage.is_source or stage.frozen:
        return True  # restored outs are in `foreseen`, the others stay as they are
    return running.isdisjoint(stage.upstream) and _foresee_repetition(checkout, stage, foreseen)


def _foresee_repetition(checkout: Checkout, stage: Stage, foreseen: dict[str, LockEntry]) -> bool:
    """Record the outs of a stage that runs with the inputs of its recorded run."""
    entry = checkout.recorded(stage)
    if entry is None or _adds_to_outs(checkout, stage):
        return False
    start = _read_inputs(checkout, stage, foreseen)
    if start is None:
        return False
    fields = {out.path: find_fields(stage, entry, out.location) for out in stage.outs}
    if not matches_inputs(entry, start) or not all(one.get("md5") for one in fields.values()):
        return False
    _foresee_recorded(checkout, stage, fields, foreseen)
    outs = {out.location for out in stage.outs}
    parts = (part for part, out in checkout.manifest.inside.items() if out in outs)
    return all(part in foreseen for part in parts)  # unless the cache has lost a listing


def _adds_to_outs(checkout: Checkout, stage: Stage) -> bool:
    """Whether the command finds its last outs, so that it may write others."""
    return any(out.persist and checkout.identify(out.location) is not None for out in stage.outs)


def _foresee_recorded(
    checkout: Checkout,
    stage: Stage,
    fields: Mapping[str, LockEntry],
    foreseen: dict[str, LockEntry],
) -> None:
    """Record the outs of a stage by their recorded fields, which are by path in the lock file."""
    bare = {path: {k: v for k, v in one.items() if k != "path"} for path, one in fields.items()}
    _foresee_outs(checkout, {out.location: bare[out.path] for out in stage.outs}, foreseen)


def _plan_stage(
    checkout: Checkout, stage: Stage, foreseen: dict[str, LockEntry], running: set[str]
) -> PlannedStage:
    waiting = [name for name in stage.upstream if name in running]
    behind = [f"upstream runs: {name}" for name in waiting]
    if checkout.commit is not None and not freshness.is_predictable(checkout, stage):
        reason = f"unknown without a checkout: {stage.fallback or 'recorded by DVC 2'}"
        return PlannedStage(stage, Action.RUN, (reason,))
    if not freshness.is_predictable(checkout, stage):
        return _plan_fallback(checkout, stage, behind)
    if behind and not stage.frozen:
        return PlannedStage(stage, Action.RUN, (*behind, *_own_reasons(checkout, stage, foreseen)))
    reasons = freshness.find_reasons(checkout, stage, foreseen)
    if not reasons:
        return PlannedStage(stage, Action.SKIP)
    if stage.is_source:
        if all(checkout.identify(out.location) is not None for out in stage.outs):
            return PlannedStage(stage, Action.RUN, tuple(reasons))
        _foresee_outs(checkout, {o.location: dict(o.recorded or {}) for o in stage.outs}, foreseen)
        return PlannedStage(stage, Action.RESTORE, tuple(reasons))
    found = None if stage.frozen else _foresee(checkout, stage, foreseen)
    if found is None:
        return PlannedStage(stage, Action.RUN, tuple(reasons))
    _foresee_recorded(checkout, stage, {out["path"]: out for out in found["outs"]}, foreseen)
    return PlannedStage(stage, Action.RESTORE, tuple(reasons))


def _foresee_outs(
    checkout: Checkout, fields: Mapping[str, LockEntry], foreseen: dict[str, LockEntry]
) -> None:
    """Record the lock fields of outs to be restored, and of deps inside these outs."""
    foreseen.update(fields)
    for location, out in checkout.manifest.inside.items():
        if out in fields:
            path = location.removeprefix(f"{out}/")
            content = _find_part(checkout, str(fields[out].get("md5")), path)
            if content is not None:
                foreseen[location] = dict(content.lock_fields())


def _find_part(checkout: Checkout, directory: str, path: str) -> RecordedContent | None:
    """Return the content of a path in a directory of which the cache has at least the listing."""
    if not directory.endswith(".dir"):
        return None
    try:
        listing = checkout.cache.listing(directory)
    except (CorruptObjectError, UnavailableError):
        return None  # the run of the stage makes it again
    return find_inside(checkout.cache, dict(listing), path)


def _own_reasons(checkout: Checkout, stage: Stage, foreseen: dict[str, LockEntry]) -> list[str]:
    """Return the reasons of a stage that do not depend on its upstream stages."""
    unsettled = {dep.location for dep in stage.deps if dep.producers}
    return [
        reason
        for reason in freshness.find_reasons(checkout, stage, foreseen)
        if not (reason.startswith(("deleted dep", "modified dep")) and _of(reason) in unsettled)
    ]


def _of(reason: str) -> str:
    return reason.partition(": ")[2]


def _foresee(checkout: Checkout, stage: Stage, foreseen: dict[str, LockEntry]) -> LockEntry | None:
    start = _read_inputs(checkout, stage, foreseen)
    return None if start is None else find_restorable(checkout, stage, start)


def _read_inputs(
    checkout: Checkout, stage: Stage, foreseen: dict[str, LockEntry]
) -> LockEntry | None:
    try:
        return inputs.read_inputs(checkout, stage, foreseen)
    except MissingInputError:
        return None


def _plan_fallback(checkout: Checkout, stage: Stage, behind: list[str]) -> PlannedStage:
    if behind and not stage.frozen:
        return PlannedStage(stage, Action.RUN, tuple(behind))
    absent = checkout.find_absent(stage)
    reasons = checkout.fallback.find_reasons(stage, absent)
    reasons += freshness.find_changed(checkout, stage)
    if not reasons:
        return PlannedStage(stage, Action.SKIP)
    if stage.is_source:
        missing = any(checkout.identify(out.location) is None for out in stage.outs)
        action = Action.RESTORE if missing and stage.frozen else Action.RUN
        return PlannedStage(stage, action, tuple(reasons))
    # DVC's lookup needs the bytes of all deps.
    readable = absent.isdisjoint(checkout.path(dep.location) for dep in stage.deps)
    restorable = readable and not stage.frozen and checkout.fallback.can_restore(stage)
    return PlannedStage(stage, Action.RESTORE if restorable else Action.RUN, tuple(reasons))
