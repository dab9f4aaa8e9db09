"""Selections of stages on the command line."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from typing import Any

from ml_assets.graph.translator import Asset
from resources.dvc.graph.manifest import Manifest
from resources.errors import ConfigurationError


def select_stages(selection: str | None, manifest: Manifest, assets: Sequence[Asset]) -> set[str]:
    """Return the names of the selected stages.

    A selection is a comma-separated list. A part is a stage, the path of an out, an asset key, or a
    pattern of one; a ``+`` before it adds everything upstream, a ``+`` after it everything
    downstream. Any other text is parsed as Dagster's selection syntax.

    Raises:
        ConfigurationError: the selection is not valid, or selects nothing.
    """
    if selection is None:
        return {stage.name for stage in manifest.stages}
    chosen: set[str] = set()
    for part in (part.strip() for part in selection.split(",")):
        matched = _match(part.removeprefix("+").removesuffix("+"), assets)
        if not matched:
            return _select_with_dagster(selection, assets)
        chosen |= matched
        if part.startswith("+"):
            chosen |= _reach(matched, _upstream(manifest))
        if part.endswith("+"):
            chosen |= _reach(matched, _downstream(manifest))
    return chosen


def _match(pattern: str, assets: Sequence[Asset]) -> set[str]:
    return {
        asset.stage
        for asset in assets
        for name in (asset.stage, asset.location, asset.name)
        if name is not None and (name == pattern or fnmatch.fnmatchcase(name, pattern))
    }


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

    hint = "name a stage, an out or an asset key; list them: ml-assets plan"

    # Dagster's selections omit assets that are not materializable.
    @dg.multi_asset(can_subset=True, **declare(assets))
    def pipeline() -> Iterator[Any]:
        yield from ()

    graph = dg.Definitions(assets=[pipeline]).resolve_asset_graph()
    try:
        keys = dg.AssetSelection.from_string(selection).resolve(graph)
    except DagsterError as error:
        raise ConfigurationError(f"not a selection: {selection}: {error}", hint) from error
    except (CheckError, NotImplementedError) as error:
        # Dagster's errors for attributes of a deployment, such as status.
        reason = "attribute of a Dagster deployment"
        raise ConfigurationError(f"not a selection: {selection}: {reason}", hint) from error
    chosen = {asset.stage for asset in assets if dg.AssetKey(asset.key) in keys}
    if not chosen:
        raise ConfigurationError(f"empty selection: {selection}", hint)
    return chosen
