"""The source: what stages and tests are made of, as the asset that source gates judge."""

from __future__ import annotations

import dagster as dg

from ml_assets.graph.translator import source_key
from ml_assets.project.project import Project
from resources.dvc.graph.manifest import Manifest


def build_source(project: Project, manifest: Manifest) -> dg.AssetSpec:
    """Build the asset of the source: Git makes it, Dagster shows what gates say of it."""
    metadata = {"commit": project.head.commit} if project.head.commit is not None else {}
    return dg.AssetSpec(
        dg.AssetKey(source_key(project.branch, manifest)),
        description="What Git tracks and what it does not ignore: stages, tests and settings.",
        group_name="source",
        kinds={"git"},
        metadata=metadata,
    )
