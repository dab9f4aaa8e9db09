"""The pipeline: the DVC graph of a working tree as Dagster assets.

The whole graph is one op with a thread pool inside, because a Dagster step costs seconds and a
stage here costs milliseconds. For executors that spread steps over machines, a setting gives one op
per stage. Both run stages through the same Reproduction.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from ml_assets.graph.translator import Asset, Key, source_key
from ml_assets.orchestration.materialization import Materialization
from ml_assets.orchestration.project_resource import ProjectResource
from ml_assets.orchestration.proof_store import ProofStoreResource
from ml_assets.orchestration.working_tree_run import WorkingTreeRun
from ml_assets.project.project import Project
from ml_assets.project.settings.settings import Granularity
from ml_assets.reporting.reporter import Reporter
from resources.dvc.run.reproduction import StageRun


def build_pipeline(project: Project, assets: Sequence[Asset]) -> list[dg.AssetsDefinition]:
    """Build the assets of a graph; Dagster starts a run for the selected ones.

    Args:
        assets: the descriptions of the manifest's assets.
    """
    if not assets:
        return []
    source = source_key(project.branch, project.load_manifest())
    if project.settings.granularity is Granularity.PIPELINE:
        return [_build_op("dvc", assets, source)]
    names = dict.fromkeys(asset.stage for asset in assets)
    return [
        _build_op(f"stage_{position}", [asset for asset in assets if asset.stage == name], source)
        for position, name in enumerate(names)
    ]


def _build_op(name: str, assets: Sequence[Asset], source: Key) -> dg.AssetsDefinition:
    by_key = {dg.AssetKey(asset.key): asset for asset in assets}

    @dg.multi_asset(name=name, can_subset=True, **declare(assets, source))
    def materialize(
        context: dg.AssetExecutionContext,
        project: ProjectResource,
        proof_store: ProofStoreResource,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        selected = [asset for key, asset in by_key.items() if key in context.selected_asset_keys]
        run = WorkingTreeRun(project.open(), proof_store, context, assets, selected)
        yield from run.execute()

    return materialize


def build_started_pipeline(
    project: Project, assets: Sequence[Asset], started: StageRun, reporter: Reporter
) -> dg.AssetsDefinition:
    """Build the assets of a run that has already started in this process.

    Args:
        assets: the assets of the stages of the run.
    """

    # Without deps, since these definitions show no lineage: Dagster would look up the data version
    # of each dep.
    @dg.multi_asset(name="dvc", can_subset=True, **declare(assets, lineage=False))
    def materialize(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        yield from Materialization(project, context, assets, started, reporter).run()

    return materialize


def declare(
    assets: Sequence[Asset], source: Key | None = None, *, lineage: bool = True
) -> dict[str, Any]:
    """Return the arguments of ``dg.multi_asset`` for some assets.

    The arguments are outs and ins, because the names of specs must be Python identifiers.

    Args:
        source: the dep of assets whose stage reads no other stage's outs.
    """
    first = (source,) if source is not None else ()
    deps = {asset.key: asset.deps or _other(first, asset) if lineage else () for asset in assets}
    outside = dict.fromkeys(key for keys in deps.values() for key in keys if key not in deps)
    return {
        "outs": {f"out_{number}": _declare(asset) for number, asset in enumerate(assets)},
        "internal_asset_deps": {
            f"out_{number}": {dg.AssetKey(dep) for dep in deps[asset.key]}
            for number, asset in enumerate(assets)
        },
        "ins": {
            f"in_{number}": dg.AssetIn(dg.AssetKey(key), dagster_type=dg.Nothing)
            for number, key in enumerate(outside)
        },
    }


def _other(keys: Sequence[Key], asset: Asset) -> tuple[Key, ...]:
    return tuple(key for key in keys if key != asset.key)


def _declare(asset: Asset) -> dg.AssetOut:
    return dg.AssetOut(
        key=dg.AssetKey(asset.key),
        dagster_type=dg.Nothing,
        is_required=False,
        description=asset.description,
        group_name=asset.group,
        code_version=asset.code_version,
        owners=list(asset.owners),
        kinds=set(asset.kinds),
        metadata=dict(asset.metadata),
    )
