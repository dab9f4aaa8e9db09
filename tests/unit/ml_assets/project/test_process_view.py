"""What processes of a project below the Git root see of the files."""

from dataclasses import replace
from pathlib import Path

import pytest

from ml_assets.project.process_view import build_view
from ml_assets.project.project import Project

BELOW = "project"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / ".git").mkdir()
    (tmp_path / BELOW / ".dvc").mkdir(parents=True)
    return Project(tmp_path / BELOW)


def test_git_directory_above_the_project_is_read_only(project: Project) -> None:
    assert project.root.parent / ".git" in build_view(project, project.settings).read_only


@pytest.mark.parametrize("name", ["../.git", "./../.git/", "{root}/.git"])
def test_setting_makes_it_writable_by_any_of_its_names(project: Project, name: str) -> None:
    given = name.format(root=project.root.parent)
    view = build_view(project, replace(project.settings, writable=(given,)))

    assert project.root.parent / ".git" not in view.read_only
    assert project.root / ".dvc" in view.read_only
    assert view.exempt == (given,)
