"""The inputs of a stage: command, deps and parameters, in the form of its lock entry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Dep, Out, Params, Stage
from resources.dvc.lock.lock_file import LockEntry
from resources.dvc.lock.lock_text import is_writable
from resources.errors import MissingInputError, StageError
from resources.git.submodule_files import list_submodules

_DEFAULT_PARAMS = "params.yaml"

#: Lock fields by location, for outs that an earlier stage will restore.
Foreseen = Mapping[str, LockEntry]


def read_inputs(checkout: Checkout, stage: Stage, foreseen: Foreseen | None = None) -> LockEntry:
    """Return the lock entry of a stage before it runs, without outs.

    Args:
        foreseen: lock fields by location, which replace the current content of the location.

    Raises:
        MissingInputError: a dep or parameter is missing.
        StageError: a lock file cannot hold a parameter.
    """
    entry: LockEntry = {"cmd": stage.command}
    deps = [
        {"path": dep.path, **_fields(checkout, stage, dep, foreseen or {})}
        for dep in sorted(stage.deps, key=lambda dep: dep.path)
    ]
    params = read_params(checkout, stage)
    if deps:
        entry["deps"] = deps
    if params:
        entry["params"] = params
    return entry


def _fields(checkout: Checkout, stage: Stage, dep: Dep, foreseen: Foreseen) -> LockEntry:
    if dep.location in foreseen:
        return dict(foreseen[dep.location])
    known = checkout.identify(dep.location)
    if known is None:
        raise MissingInputError(
            f"{stage.name}: missing dependency: {dep.location}", _hint(checkout, stage, dep)
        )
    return dict(known.lock_fields())


def _hint(checkout: Checkout, stage: Stage, dep: Dep) -> str:
    made = [checkout.manifest.producer[one] for one in dep.producers]
    if made and all(one.is_source for one in made):
        files = " ".join(f"'{one.file}'" for one in made)
        return f"get it back: git checkout -- {files} && dvc checkout {files}"
    if made:
        return f"run its upstream stages too: ml-assets run --select +{stage.name}"
    path = Path(checkout.path(dep.location))
    for submodule in list_submodules(checkout.root):
        if path.is_relative_to(submodule):
            return f"check out the submodule: git submodule update --init -- '{submodule}'"
    if checkout.manifest.layout.remote:
        return f"restore the file, or fetch it: dvc pull {dep.location}"
    return f"restore the file, or correct deps in: {stage.file}"


def read_params(checkout: Checkout, stage: Stage) -> dict[str, dict[str, Any]]:
    """Read the parameters of a stage by file, in the order of ``dvc.lock``.

    Raises:
        MissingInputError: a file or parameter is missing.
        StageError: a lock file cannot hold a parameter.
    """
    ordered = sorted(stage.params, key=lambda params: params.path != _DEFAULT_PARAMS)
    result: dict[str, dict[str, Any]] = {}
    for params in ordered:
        values = find_values(checkout, params)
        if values is None:
            raise MissingInputError(
                f"{stage.name}: missing parameters file: {params.location}",
                f"create the file, or correct params in: {stage.file}",
            )
        missing = sorted(set(params.keys) - set(values))
        if missing:
            raise MissingInputError(
                f"{stage.name}: missing parameters in {params.location}: {', '.join(missing)}",
                f"add the parameters, or correct params in: {stage.file}",
            )
        _refuse_unwritable(stage, params, values)
        result[params.path] = {key: values[key] for key in sorted(values)}
    return result


def _refuse_unwritable(stage: Stage, params: Params, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if not is_writable(value):
            raise StageError(
                f"{stage.name}: YAML cannot hold a parameter: {params.location}:{key}:"
                f" {type(value).__name__}",
                f"write a text or a number in: {params.location}",
            )


def find_values(checkout: Checkout, params: Params) -> dict[str, Any] | None:
    """Return the values that a stage reads from a parameters file; None without the file."""
    try:
        document = checkout.parse(params.location)
    except FileNotFoundError:
        return None
    if not params.keys:
        return dict(document)
    found = {}
    for key in params.keys:
        try:
            found[key] = _look_up(document, key)
        except KeyError:
            continue
    return found


def _look_up(document: Any, key: str) -> Any:
    value = document
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            import dpath

            return dpath.get(document, key, separator=".")
        value = value[part]
    return value


def is_cacheable(stage: Stage) -> bool:
    """Whether a stage can be restored: it has a command, inputs and outs that do not persist."""
    if stage.is_callback or stage.always_changed or not stage.command:
        return False
    if not (stage.deps or stage.params) or not stage.outs:
        return False
    return not any(out.persist for out in stage.outs)


def keeps_runs(stage: Stage) -> bool:
    """Whether the run cache accepts a stage: all outs without a cache are metrics or plots."""
    return is_cacheable(stage) and all(out.cache or out.role != "out" for out in stage.outs)


def out_entries(stage: Stage, contents: Mapping[str, Content]) -> list[LockEntry]:
    """Return the outs of a lock entry, in the order of ``dvc.lock``.

    Args:
        contents: content by location of the out.
    """
    outs: list[Out] = sorted(stage.outs, key=lambda out: out.path)
    return [{"path": out.path, **contents[out.location].lock_fields()} for out in outs]
