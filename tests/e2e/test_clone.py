"""What somebody sees who clones the repository and pulls its data."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from .sample import Sample, copy_sample
from .screen import OpenScreen
from .server import serve

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.system("chromium"),
]


def _clone_with_data(template: Sample, home: Path) -> Sample:
    """Push the data of a copy to a remote, clone the copy and pull them."""
    origin = copy_sample(template, home / "origin" / "project")
    origin.must("dvc", "remote", "add", "--quiet", "--default", "storage", str(home / "remote"))
    origin.must("git", "commit", "--quiet", "--all", "--message", "a remote")
    origin.must("dvc", "push", "--quiet")
    clone = Sample(home / "clone" / "project")
    origin.must("git", "clone", "--quiet", str(origin.root), str(clone.root))
    clone.must("dvc", "pull", "--quiet")
    return clone


def test_clone_with_pulled_data_runs_nothing_and_shows_its_true_state(
    template: Sample, open_screen: OpenScreen, tmp_path: Path
) -> None:
    """Dagster's storage is new, and knows everything after one run that starts no stage."""
    clone = _clone_with_data(template, tmp_path)
    document = clone.materialize()
    assert clone.ran() == []
    assert {asset["action"] for asset in document["assets"]} == {"skip"}

    # What lies in the clone, and not the branch of its remote.
    with serve(clone.root, clone.environment, tmp_path / "server.log", "--checkout") as server:
        versions = server.data_versions()
        assert versions.pop("main/source") is None, "Git makes it, not Dagster"
        assert len(versions) == 8
        for key, version in versions.items():
            assert version == clone.md5(key.removeprefix("main/")), key
        assert server.stale() == {}
        screen = open_screen(server.address)
        screen.open_lineage()
        for key in versions:
            expect(screen.node(Path(key).name)).to_contain_text("Materialized")
        expect(screen.page.get_by_text("Unsynced")).to_have_count(0)
