"""The source asset: the files of stages and tests, which source gates judge."""

from __future__ import annotations

import dagster as dg

from ml_assets.graph.translator import source_key
from ml_assets.project.project import Project
from resources.dvc.graph.manifest import Manifest


def build_source(project: Project, manifest: Manifest) -> dg.AssetSpec:
    """Build the source asset: Git supplies it, Dagster shows its checks."""
    metadata = {"commit": project.head.commit} if project.head.commit is not None else {}
    return dg.AssetSpec(
        dg.AssetKey(source_key(project.branch, manifest)),
        description="The files that Git tracks or does not ignore: stages, tests and settings.",
        group_name="source",
        kinds={"git"},
        metadata=metadata,
    )
