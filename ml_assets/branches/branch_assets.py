"""The assets of a watched branch, made by one op, and the job that makes all assets."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from ml_assets.branches.branch_run import BranchRun
from ml_assets.branches.graph_at_commit import WatchedBranch
from ml_assets.branches.watch import identifier
from ml_assets.branches.watch_resource import WatchResource
from ml_assets.graph.translator import Asset
from ml_assets.orchestration.assets import declare
from ml_assets.orchestration.proof_store import ProofStoreResource
from ml_assets.reporting.reporter import StandardOutput


def build_branch(branch: WatchedBranch) -> dg.AssetsDefinition:
    """Build the assets of a branch: its source and the outs of its stages."""
    assets = [_source(branch), *(branch.graph.assets if branch.graph else ())]

    declared = declare(assets, branch.source)

    @dg.multi_asset(name=f"branch_{identifier(branch.name)}", can_subset=True, **declared)
    def materialize(
        context: dg.AssetExecutionContext, watch: WatchResource, proof_store: ProofStoreResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        reporter = StandardOutput()
        BranchRun(watch.open(), proof_store, branch.name, context, reporter).execute()
        # The run has recorded its results itself, under the versions of its own commit.
        yield from ()

    return materialize


def build_branch_job(branch: WatchedBranch) -> Any:
    """Build the job that brings a branch up to date."""
    assets = [_source(branch), *(branch.graph.assets if branch.graph else ())]
    return dg.define_asset_job(
        name=branch.job,
        selection=dg.AssetSelection.assets(
            *(dg.AssetKey(asset.key) for asset in assets)
        ).without_checks(),  # the run evaluates the gates itself
        description=f"Bring `{branch.name}` up to date, at its newest commit.",
    )


def _source(branch: WatchedBranch) -> Asset:
    return Asset(
        key=branch.source,
        stage="",
        location=None,
        deps=(),
        group=f"{identifier(branch.name)}_source",
        kinds=frozenset({"git"}),
        owners=(),
        description=f"The files that Git tracks at a commit of `{branch.name}`."
        + (f"\n\nThe graph is not readable: {branch.problem}" if branch.problem else ""),
        code_version=branch.commit,
        metadata={"commit": branch.commit},
    )
