"""The comparison of a run with the recorded run of the same command, parameters and code."""

from __future__ import annotations

from dataclasses import dataclass

from resources.dvc.graph.manifest import Stage
from resources.dvc.lock.lock_file import LockEntry


@dataclass(frozen=True)
class Comparison:
    """The differences between a run and the recorded run.

    Attributes:
        changed_deps: locations of deps that other stages wrote with other bytes.
        differing: locations of outs with other bytes.
    """

    changed_deps: tuple[str, ...]
    differing: tuple[str, ...]


def compare_runs(stage: Stage, recorded: LockEntry | None, entry: LockEntry) -> Comparison | None:
    """Compare a run with the recorded one; None if command, parameters or code differ."""
    if recorded is None:
        return None
    produced = {dep.path: dep.location for dep in stage.deps if dep.producers}

    def own(lock_entry: LockEntry) -> list[object]:
        deps = [dep for dep in lock_entry.get("deps", ()) if dep["path"] not in produced]
        return [lock_entry.get("cmd"), lock_entry.get("params"), deps]

    if own(recorded) != own(entry):
        return None
    changed = _changed_paths(recorded, entry, "deps")
    differing = _changed_paths(recorded, entry, "outs")
    return Comparison(
        changed_deps=tuple(produced[path] for path in changed if path in produced),
        differing=tuple(out.location for out in stage.outs if out.path in differing),
    )


def _changed_paths(one: LockEntry, other: LockEntry, part: str) -> set[str]:
    before = {item["path"]: item.get("md5") for item in one.get(part, ())}
    after = {item["path"]: item.get("md5") for item in other.get(part, ())}
    return {path for path, md5 in after.items() if before.get(path) not in (None, md5)}
