"""Names of branches: Dagster takes letters, digits and underscores, and each branch is another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.definitions_load_context import (
    DefinitionsLoadContext,
    DefinitionsLoadType,
)

from ml_assets.branches.watch import identifier, watch_project
from ml_assets.definitions import build_watched_definitions
from ml_assets.project.project import Project
from ml_assets.project.watch_home import slug

from .pushed import make_pushed

SIMILAR = ["release_1", "release-1", "release.1", "release/1", "größe", "gr__e"]


@pytest.mark.parametrize("rename", [slug, identifier])
def test_similar_names_stay_different(rename: Callable[[str], str]) -> None:
    renamed = [rename(name) for name in SIMILAR]

    assert len(set(renamed)) == len(SIMILAR)
    assert all(name.isascii() and "/" not in name for name in renamed)
    assert rename("main") == "main"


def test_graphs_of_branches_with_similar_names_are_shown_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = ", ".join(f'"{name}"' for name in SIMILAR)
    pushed = make_pushed(tmp_path, f"[watch]\nbranches = [{listed}]\n")
    for name in SIMILAR:
        pushed.git("push", "--quiet", "origin", f"main:refs/heads/{name}")
    for name, value in pushed.environment.items():
        monkeypatch.setenv(name, value)
    watch = watch_project(Project(pushed.served))
    assert watch is not None
    watch.mirror.fetch([*SIMILAR, "main"], "main")

    # A test before this one may have left the context of a run, which names other commits.
    with DefinitionsLoadContext.scoped(DefinitionsLoadContext(DefinitionsLoadType.INITIALIZATION)):
        repository = build_watched_definitions(watch).get_repository_def()

    keys = {key.to_user_string() for key in repository.asset_graph.materializable_asset_keys}
    assert {f"{name}/model.txt" for name in SIMILAR} <= keys
    jobs = {job.name: job.asset_layer.executable_asset_keys for job in repository.get_all_jobs()}
    for name in SIMILAR:
        key = dg.AssetKey([*name.split("/"), "model.txt"])
        assert key in jobs[f"reproduce_{identifier(name)}"]
        others = [other for other in SIMILAR if other != name]
        assert not any(key in jobs[f"reproduce_{identifier(other)}"] for other in others)
