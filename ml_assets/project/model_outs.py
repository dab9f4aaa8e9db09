"""The outs of a graph that are models, and those that are data."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Manifest
from security.content.model_name import looks_like_model
from security.policy.waiver import matches_path


def find_named_models(manifest: Manifest) -> tuple[str, ...]:
    """Return the locations of the outs that ``artifacts:`` or their ``type`` calls models."""
    named = {artifact.path for artifact in manifest.artifacts if artifact.type == "model"}
    return tuple(
        out.location
        for stage in manifest.stages
        for out in stage.outs
        if _is_local(out.location) and (out.location in named or out.type == "model")
    )


def find_models(manifest: Manifest) -> tuple[str, ...]:
    """Return the outs that are models: the named ones, and those with the suffix of a model.

    A model stays a model even if it is declared as a dataset.
    """
    named = set(find_named_models(manifest))
    return tuple(
        out.location
        for stage in manifest.stages
        for out in stage.outs
        if out.location in named or (_is_local(out.location) and looks_like_model(out.location))
    )


def is_model_out(checkout: Checkout, location: str) -> bool:
    """Return whether the content of an out makes it a model, no matter what the graph calls it."""
    from security.model_scan.model_content import holds_model  # with all readers

    return location in checkout.manifest.producer and holds_model(Path(checkout.path(location)))


def find_data(manifest: Manifest) -> tuple[str, ...]:
    """Return the outs that are data: all others that are neither metrics nor plots."""
    models = set(find_models(manifest))
    return tuple(
        out.location
        for stage in manifest.stages
        for out in stage.outs
        if _is_local(out.location) and out.location not in models and out.role == "out"
    )


def find_named_data(manifest: Manifest, patterns: Collection[str]) -> tuple[str, ...]:
    """Return the named data: outs with a type, a ``.dvc`` file or expectations.

    Args:
        patterns: patterns of the locations with expectations.
    """
    named = {artifact.path for artifact in manifest.artifacts if artifact.type}
    types = {out.location: out.type for stage in manifest.stages for out in stage.outs}
    return tuple(
        location
        for location in find_data(manifest)
        if location in named
        or types[location]
        or manifest.producer[location].is_source
        or any(matches_path(pattern, location) for pattern in patterns)
    )


def _is_local(location: str) -> bool:
    return "://" not in location
