"""The source: what stages and tests are made of, as the asset that source gates judge."""

from __future__ import annotations

from typing import Any

import dagster as dg

from ml_assets.project import Project
from ml_assets.translator import source_key
from resources.dvc.checkout import Checkout
from resources.source_tree import read_source_tree
from security.digest import digest_tree


def build_source(project: Project, checkout: Checkout) -> dg.AssetsDefinition:
    """Build the asset of a project's source: materializing it records what lies there now."""

    @dg.asset(
        key=dg.AssetKey(source_key(project.branch, checkout.manifest)),
        group_name="source",
        kinds={"git"},
        description="What Git tracks and does not ignore; the gates on it judge its files.",
    )
    def source() -> dg.MaterializeResult[Any]:
        checkout = project.open_checkout()
        outs = [location for location in checkout.manifest.producer if "://" not in location]
        tree = read_source_tree(project.root, checkout.store, outs=outs)
        metadata: dict[str, Any] = {"files": len(tree.files), "dirty": project.dirty}
        if project.head.commit is not None:
            metadata["commit"] = project.head.commit
        return dg.MaterializeResult(
            data_version=dg.DataVersion(digest_tree(tree.files.items())), metadata=metadata
        )

    return source
