"""Selections of stages on the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ml_assets.graph.translator import Asset
from ml_assets.runs.stage_names import StageNames
from resources.dvc.graph.manifest import Manifest
from resources.errors import ConfigurationError

# What only an expression of Dagster contains.
_EXPRESSION = re.compile(r"[:(]|\b(?:and|or|not)\b")
_HINT = "name a stage, an out or an asset key; list them: ml-assets plan"


def select_stages(
    selections: Sequence[str], manifest: Manifest, assets: Sequence[Asset], here: str = "."
) -> set[str]:
    """Return the names of the stages of all selections; without a selection, of all stages.

    A selection is a comma-separated list. A part is what ``StageNames`` finds; a ``+`` before it
    adds everything upstream, a ``+`` after it everything downstream. An input or parameter with a
    ``+`` after it means the stages that read it. Any other text is parsed as Dagster's selection
    syntax.

    Args:
        here: the user's directory, relative to the DVC root.

    Raises:
        ConfigurationError: a selection is not valid, or selects nothing.
    """
    if not selections:
        return {stage.name for stage in manifest.stages}
    names = StageNames(manifest, assets, here)
    return {name for one in selections for name in _select(one, manifest, assets, names)}


def _select(
    selection: str, manifest: Manifest, assets: Sequence[Asset], names: StageNames
) -> set[str]:
    chosen: set[str] = set()
    for part in (part.strip() for part in selection.split(",")):
        term = part.removeprefix("+").removesuffix("+")
        matched = names.find(term)
        if not matched:
            matched = names.find_readers(term)
            is_parameter = names.is_parameter(term)
            if not matched and not is_parameter and _EXPRESSION.search(part):
                return _select_with_dagster(selection, assets)
            if not (matched and part.endswith("+")):
                kind = "parameter" if is_parameter else "name"
                raise _refuse(selection, part, names, kind, is_input=bool(matched))
        chosen |= matched
        if part.startswith("+"):
            chosen |= _reach(matched, _upstream(manifest))
        if part.endswith("+"):
            chosen |= _reach(matched, _downstream(manifest))
    return chosen


def _refuse(
    selection: str, part: str, names: StageNames, kind: str, *, is_input: bool
) -> ConfigurationError:
    if is_input:
        hint = f"select the stages that read it: {part}+; list all: ml-assets plan"
        return ConfigurationError(f"not a selection: {selection}: no stage writes {part}", hint)
    similar = names.suggest(part.strip("+"))
    hint = f"did you mean {' or '.join(similar)}? list all: ml-assets plan" if similar else _HINT
    return ConfigurationError(f"not a selection: {selection}: unknown {kind}: {part}", hint)


def _upstream(manifest: Manifest) -> dict[str, set[str]]:
    return {stage.name: set(stage.upstream) for stage in manifest.stages}


def _downstream(manifest: Manifest) -> dict[str, set[str]]:
    edges: dict[str, set[str]] = {stage.name: set() for stage in manifest.stages}
    for stage in manifest.stages:
        for name in stage.upstream:
            edges[name].add(stage.name)
    return edges


def _reach(start: set[str], edges: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    pending = list(start)
    while pending:
        for name in edges[pending.pop()] - reached:
            reached.add(name)
            pending.append(name)
    return reached


def _select_with_dagster(selection: str, assets: Sequence[Asset]) -> set[str]:
    import dagster as dg
    from dagster_shared.check import CheckError
    from dagster_shared.error import DagsterError

    from ml_assets.orchestration.assets import declare

    # Dagster's selections omit assets that are not materializable.
    @dg.multi_asset(can_subset=True, **declare(assets))
    def pipeline() -> Iterator[Any]:
        yield from ()

    graph = dg.Definitions(assets=[pipeline]).resolve_asset_graph()
    try:
        keys = dg.AssetSelection.from_string(selection).resolve(graph)
    except DagsterError as error:
        reason = "not valid in Dagster's syntax"
        raise ConfigurationError(f"not a selection: {selection}: {reason}", _HINT) from error
    except (CheckError, NotImplementedError) as error:
        # Dagster's errors for attributes of a deployment, such as status.
        reason = "attribute of a Dagster deployment"
        raise ConfigurationError(f"not a selection: {selection}: {reason}", _HINT) from error
    chosen = {asset.stage for asset in assets if dg.AssetKey(asset.key) in keys}
    if not chosen:
        raise ConfigurationError(f"empty selection: {selection}", _HINT)
    return chosen
