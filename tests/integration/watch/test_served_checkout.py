"""The checkout that a server is started in: what somebody edits there stops no branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_assets.branches.watch import watch_project
from ml_assets.project.project import Project
from resources.errors import ConfigurationError

from .pushed import make_pushed
from .service import serve

pytestmark = [pytest.mark.slow]

BROKEN = "stages: [\n"


def test_its_broken_pipeline_does_not_keep_branches_from_running(tmp_path: Path) -> None:
    pushed = make_pushed(tmp_path, "[watch]\ninterval = 1\n")
    (pushed.served / "dvc.yaml").write_text(BROKEN)
    with serve(pushed) as service:
        service.wait_for_tick()
        commit = pushed.push("main", {"depth.txt": "7\n"})
        service.wait_for_pass(commit)
    assert pushed.noted(commit) == ["prepare", "train"]
    assert (pushed.served / "dvc.yaml").read_text() == BROKEN


def test_cache_is_found_in_its_configuration_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = make_pushed(tmp_path, "")
    for name, value in pushed.environment.items():
        monkeypatch.setenv(name, value)
    pushed.must("dvc", "cache", "dir", "--local", "../objects", directory=pushed.served)
    (pushed.served / "dvc.yaml").write_text(BROKEN)

    watch = watch_project(Project(pushed.served))

    assert watch is not None
    assert watch.cache.resolve() == (tmp_path / "objects").resolve()


def test_directory_without_dvc_is_refused(tmp_path: Path) -> None:
    pushed = make_pushed(tmp_path, "")
    pushed.must("git", "rm", "-r", "--quiet", ".dvc", directory=pushed.served)

    with pytest.raises(ConfigurationError, match="not a DVC repository|not inside of a DVC"):
        Project(pushed.served).find_cache()
