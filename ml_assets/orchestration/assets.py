"""The pipeline: a DVC graph as Dagster assets.

The whole graph is one op with a thread pool inside, because a Dagster step costs seconds and a
stage here costs milliseconds. For executors that spread steps over machines a setting gives one
op per stage. Both run stages through the same Reproduction.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from ml_assets.graph.translator import Asset, Key, source_key
from ml_assets.orchestration.known_states import Record
from ml_assets.orchestration.materialization import Materialization
from ml_assets.orchestration.run_options import build_reproduction, server_options
from ml_assets.project.project import Project
from ml_assets.project.settings.settings import Granularity
from ml_assets.proof.sign_run import conclude
from ml_assets.proof.store import Proofs
from ml_assets.reporting.reporter import Reporter, StandardOutput
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.run.reproduction import StageRun
from resources.errors import ResourceError
from security.errors import SecurityError


def build_pipeline(
    project: Project,
    assets: Sequence[Asset],
    *,
    started: StageRun | None = None,
    reporter: Reporter | None = None,
) -> list[dg.AssetsDefinition]:
    """Build the assets of a graph.

    Args:
        assets: the descriptions of all of the manifest's assets, or of some.
        started: a run of just these assets' stages, under way already; the definitions then serve
            this one process. None starts one whenever Dagster asks for assets.
        reporter: None prints to standard output.
    """
    if not assets:
        return []
    granularity = project.settings.granularity
    if granularity is Granularity.PIPELINE or started is not None:
        return [_build_op(project, "dvc", assets, started, reporter or StandardOutput())]
    names = dict.fromkeys(asset.stage for asset in assets)
    return [
        _build_op(
            project,
            f"stage_{position}",
            [asset for asset in assets if asset.stage == name],
            None,
            reporter or StandardOutput(),
        )
        for position, name in enumerate(names)
    ]


def _build_op(
    project: Project,
    name: str,
    assets: Sequence[Asset],
    started: StageRun | None,
    reporter: Reporter,
) -> dg.AssetsDefinition:
    by_key = {dg.AssetKey(asset.key): asset for asset in assets}
    # Nobody looks at the lineage of definitions that serve one run; declared deps would only make
    # Dagster look up the data version of each.
    lineage = started is None
    source = source_key(project.branch, project.load_manifest()) if lineage else None

    @dg.multi_asset(name=name, can_subset=True, **declare(assets, source, lineage=lineage))
    def materialize(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        selected = [asset for key, asset in by_key.items() if key in context.selected_asset_keys]
        if started is None:
            context.instance.add_run_tags(context.run.run_id, project.run_tags)
            stages = {asset.stage for asset in selected}
            Record(project).forget({a.name for a in assets if a.stage in stages})
        proofs = Proofs(project, reporter.notice)
        run = started or _begin(project, selected, reporter, proofs, context.run.run_id)
        yield from Materialization(project, context, selected, run, reporter).run()
        if started is None:
            _conclude(project, run.checkout, proofs, selected, reporter)

    return materialize


def _conclude(
    project: Project,
    checkout: Checkout,
    proofs: Proofs,
    selected: Sequence[Asset],
    reporter: Reporter,
) -> None:
    """Sign what a run comes to that Dagster has started; a command does so for its own."""
    locations = [asset.location for asset in selected if asset.location]
    try:
        conclude(project, checkout, proofs, locations, reporter.notice)
    except (ResourceError, SecurityError) as error:
        text = f"{error.message}\nhint: {error.hint}"
        raise dg.Failure(description=text, allow_retries=False) from error


def _begin(
    project: Project, selected: Sequence[Asset], reporter: Reporter, proofs: Proofs, run_id: str
) -> StageRun:
    stages = list(dict.fromkeys(asset.stage for asset in selected))
    checkout = project.open_checkout()
    options = server_options(project, checkout, stages, proofs, run_id)
    return build_reproduction(checkout, stages, options, reporter)


def declare(
    assets: Sequence[Asset], source: Key | None = None, *, lineage: bool = True
) -> dict[str, Any]:
    """Return what makes one multi-asset of some assets, as arguments of ``dg.multi_asset``.

    Outs, ins and not specs: these would have to be named like Python identifiers.

    Args:
        source: what assets depend on whose stage reads no other stage's outs.
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
