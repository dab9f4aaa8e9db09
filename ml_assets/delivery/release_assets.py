"""The release assets: the signed models, images and environments of a branch in the lineage.

``model ─► signed model ─► image ─► environment``. The run that signs a model records the signed
model. Images and deployments are not implemented: their assets are placeholders.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from ml_assets.branches.graph_at_commit import CommitGraph, WatchedBranch
from ml_assets.branches.watch import identifier
from ml_assets.graph.translator import asset_key, signed_key
from ml_assets.project.model_outs import find_named_models

_NOT_YET = "A placeholder: deployment is not implemented."


def build_release(branch: WatchedBranch, environment: str | None) -> list[dg.AssetSpec]:
    """Build the assets downstream of a branch's models.

    Args:
        environment: the environment that the policy maps the branch to; None without one.
    """
    if branch.graph is None:
        return []
    models = find_named_models(branch.graph.checkout.manifest)
    signed = [_signed(branch.name, branch.graph, model) for model in models]
    if not signed or environment is None:
        return signed
    image = dg.AssetSpec(
        dg.AssetKey(asset_key(branch.name, "image")),
        deps=[spec.key for spec in signed],
        description=f"The container image of the signed models. {_NOT_YET}",
        group_name=_group(branch.name),
        kinds={"docker"},
    )
    place = dg.AssetSpec(
        dg.AssetKey(asset_key(branch.name, environment)),
        deps=[image.key],
        description=f"The deployment to {environment}. {_NOT_YET}",
        group_name=_group(branch.name),
        kinds={"kubernetes"},
    )
    return [*signed, image, place]


def _signed(branch: str, graph: CommitGraph, model: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        dg.AssetKey(signed_key(branch, model)),
        deps=[dg.AssetKey(asset_key(branch, one)) for one in (model, *_evaluations(graph, model))],
        description=f"The signature of `{model}` (OpenSSF Model Signing), once its gates passed.",
        group_name=_group(branch),
        kinds={"sigstore"},
    )


def _evaluations(graph: CommitGraph, model: str) -> Sequence[str]:
    """Return the metrics of the stages that read a model."""
    manifest = graph.checkout.manifest
    return [
        out.location
        for stage in manifest.stages
        if any(model in dep.producers for dep in stage.deps)
        for out in stage.outs
        if out.role == "metric" or out.location in manifest.metrics
    ]


def _group(branch: str) -> str:
    return f"{identifier(branch)}_release"
