"""The jobs of a working tree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import dagster as dg

from ml_assets.graph.translator import Asset
from ml_assets.project.project import Project


def build_jobs(project: Project, assets: Sequence[Asset]) -> list[Any]:
    """Build the job that brings the project's branch up to date."""
    if not assets:
        return []
    name = re.sub(r"[^A-Za-z0-9_]", "_", project.branch)
    keys = [dg.AssetKey(asset.key) for asset in assets]
    return [
        dg.define_asset_job(
            name=f"reproduce_{name}",
            selection=dg.AssetSelection.assets(*keys),
            description=f"Bring `{project.branch}` up to date; fresh stages are skipped.",
        )
    ]
