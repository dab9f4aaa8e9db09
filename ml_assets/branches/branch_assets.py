"""The branch pipeline: a watched branch as Dagster assets, all of them made by one op."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from ml_assets.branches.branch_run import BranchRun
from ml_assets.branches.graph_at_commit import Branch
from ml_assets.branches.watch import Watch, identifier
from ml_assets.graph.translator import Asset
from ml_assets.orchestration.assets import declare
from ml_assets.reporting.reporter import StandardOutput


def build_branch(watch: Watch, branch: Branch) -> dg.AssetsDefinition:
    """Build the assets of a branch: its source, and what the stages of its graph write."""
    assets = [_source(branch), *(branch.graph.assets if branch.graph else ())]

    declared = declare(assets, branch.source)

    @dg.multi_asset(name=f"branch_{identifier(branch.name)}", can_subset=True, **declared)
    def materialize(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        BranchRun(watch, branch.name, context, StandardOutput()).execute()
        # Everything was recorded as it was made, under the versions of the run's own commit.
        yield from ()

    return materialize


def build_branch_job(branch: Branch) -> Any:
    """Build the job that brings all of a branch up to date."""
    assets = [_source(branch), *(branch.graph.assets if branch.graph else ())]
    return dg.define_asset_job(
        name=branch.job,
        selection=dg.AssetSelection.assets(
            *(dg.AssetKey(asset.key) for asset in assets)
        ).without_checks(),  # the run judges by itself
        description=f"Bring all of `{branch.name}` up to date, at its newest commit.",
    )


def _source(branch: Branch) -> Asset:
    return Asset(
        key=branch.source,
        stage="",
        location=None,
        deps=(),
        group=f"{identifier(branch.name)}_source",
        kinds=frozenset({"git"}),
        owners=(),
        description=f"What Git has at a commit of `{branch.name}`."
        + (f"\n\nIt has no graph: {branch.problem}" if branch.problem else ""),
        code_version=branch.commit,
        metadata={"commit": branch.commit},
    )
