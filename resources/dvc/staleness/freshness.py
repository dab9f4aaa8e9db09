"""Freshness: the reasons why a stage is stale, without an import of dvc.

The rules and their order are those of ``dvc status``: compare deps, parameters and the command with
the lock entry, and outs with the lock entry and the cache. Frozen stages ignore their inputs.
Callbacks and stages with ``always_changed`` are never fresh. In addition to those rules, a stage is
stale if a dep changed while it ran.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Out, Params, Stage
from resources.dvc.lock.lock_file import LockEntry
from resources.dvc.staleness.inputs import Foreseen, find_values


def is_native(checkout: Checkout, stage: Stage) -> bool:
    """Whether these rules cover a stage; if not, DVC's own code checks and runs it."""
    return stage.fallback is None and _is_recorded_natively(checkout, stage)


def is_predictable(checkout: Checkout, stage: Stage) -> bool:
    """Whether these rules foresee what a run does with a stage, no matter whose code runs it."""
    native = stage.fallback is None or stage.is_placed_by_dvc
    return native and _is_recorded_natively(checkout, stage)


def _is_recorded_natively(checkout: Checkout, stage: Stage) -> bool:
    if stage.is_source:
        return all(out.recorded is not None for out in stage.outs)
    entry = checkout.recorded(stage) or {}
    items = [*entry.get("deps", ()), *entry.get("outs", ())]
    return all(item.get("hash") == "md5" and "files" not in item for item in items)


def find_reasons(checkout: Checkout, stage: Stage, foreseen: Foreseen | None = None) -> list[str]:
    """Return the reasons why a stage is stale; an empty list for a fresh stage.

    Args:
        foreseen: lock fields by location, which replace the current content of the location.
    """
    if stage.is_source:
        return list(_changed_sources(checkout, stage))
    entry = checkout.recorded(stage)
    if entry is None:
        return ["never run: not in dvc.lock"]
    reasons: list[str] = []
    if stage.is_callback:
        reasons.append("always changed: neither dependencies nor outs")
    elif stage.always_changed:
        reasons.append("always changed: always_changed is set")
    elif not stage.frozen:
        reasons += _changed_deps(checkout, stage, entry, foreseen or {})
        reasons += _changed_params(checkout, stage, entry)
    if entry.get("cmd") != stage.command:
        reasons.append("changed command")
    return [*reasons, *changed_outs(checkout, stage, entry), *find_changed(checkout, stage)]


def find_changed(checkout: Checkout, stage: Stage) -> list[str]:
    """Return a reason for each dep that changed while the recorded run read it."""
    if stage.is_source or stage.frozen:
        return []
    found = checkout.changed_deps.find(stage, checkout.recorded(stage))
    return [f"dependency changed while the stage ran: {one}" for one in found]


def _changed_deps(
    checkout: Checkout, stage: Stage, entry: LockEntry, foreseen: Foreseen
) -> Iterator[str]:
    recorded = {dep["path"]: dep.get("md5") for dep in entry.get("deps", ())}
    for dep in stage.deps:
        if dep.location in foreseen:
            md5 = foreseen[dep.location]["md5"]
        else:
            known = checkout.identify(dep.location)
            md5 = known.md5 if known else None
        if md5 is None and dep.path in recorded and checkout.is_unlisted(dep.location):
            continue
        if md5 is None:
            yield f"deleted dependency: {dep.location}"
        elif dep.path not in recorded:
            yield f"new dependency: {dep.location}"
        elif md5 != recorded[dep.path]:
            yield f"modified dependency: {dep.location}"


def _changed_params(checkout: Checkout, stage: Stage, entry: LockEntry) -> Iterator[str]:
    for params in stage.params:
        recorded = entry.get("params", {}).get(params.path)
        actual = find_values(checkout, params)
        if actual is None:
            yield f"deleted parameters file: {params.location}"
        elif recorded is None:
            yield f"new parameters: {params.location}"
        else:
            yield from _compare_params(params, actual, recorded)


def _compare_params(
    params: Params, actual: dict[str, Any], recorded: dict[str, Any]
) -> Iterator[str]:
    # Skip a key that was removed from dvc.yaml; compare one removed from a wholly tracked file.
    for key in params.keys or dict.fromkeys([*actual, *recorded]):
        where = f"{params.location}:{key}"
        if key not in actual:
            yield f"deleted parameter: {where}"
        elif key not in recorded:
            yield f"new parameter: {where}"
        elif _plain(actual[key]) != recorded[key]:
            yield f"modified parameter: {where}: {recorded[key]!r} -> {actual[key]!r}"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def changed_outs(checkout: Checkout, stage: Stage, entry: LockEntry) -> Iterator[str]:
    """Yield the reasons for outs that differ from a lock entry."""
    recorded = {out["path"]: out.get("md5") for out in entry.get("outs", ())}
    for out in stage.outs:
        yield from _changed_out(checkout, out, recorded.get(out.path))


def _changed_sources(checkout: Checkout, stage: Stage) -> Iterator[str]:
    for out in stage.outs:
        yield from _changed_out(checkout, out, (out.recorded or {}).get("md5"))


def _changed_out(checkout: Checkout, out: Out, md5: str | None) -> Iterator[str]:
    known = checkout.identify(out.location)
    if known is None:
        yield f"missing out: {out.location}"
    elif md5 is None:
        yield f"new out: {out.location}"
    elif known.md5 != md5:
        yield f"modified out: {out.location}"
    elif out.cache and not checkout.keeps(known):
        yield f"out not in cache: {out.location}"
