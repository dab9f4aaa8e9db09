"""What processes of a project below the Git root see of the files."""

from dataclasses import replace
from pathlib import Path

import pytest

from ml_assets.project.process_view import build_view
from ml_assets.project.project import Project

pytestmark = pytest.mark.process

BELOW = "project"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / ".git").mkdir()
    (tmp_path / BELOW / ".dvc").mkdir(parents=True)
    return Project(tmp_path / BELOW)


def test_git_directory_above_the_project_is_read_only(project: Project) -> None:
    assert project.root.parent / ".git" in build_view(project, project.settings).read_only


def test_credential_file_that_a_remote_names_is_read_only(project: Project, tmp_path: Path) -> None:
    """A stage that writes it could name a program, which runs with the user's credentials."""
    for name in ("aws.cfg", ".dvc/key.json", "get_token.py"):
        (project.root / name).write_text("")
    (tmp_path / "outside.cfg").write_text("")
    (project.root / ".dvc" / "config").write_text(
        "['remote \"r\"']\n    url = s3://b\n    configpath = ../aws.cfg\n"
        "['remote \"w\"']\n    bearer_token_command = python get_token.py . train.py\n"
        f"['remote \"o\"']\n    credentialpath = {tmp_path}/outside.cfg\n    ssl_verify = false\n"
    )
    (project.root / ".dvc" / "config.local").write_text(
        "['remote \"g\"']\n    gdrive_service_account_json_file_path = key.json\n"
    )
    view = build_view(project, project.settings)
    wanted = {project.root / one for one in ("aws.cfg", ".dvc/key.json", "get_token.py")}
    assert {*wanted, tmp_path / "outside.cfg"} <= set(view.read_only)
    assert not {project.root, project.root / "train.py"} & set(view.read_only)


@pytest.mark.parametrize("name", ["../.git", "./../.git/", "{root}/.git"])
def test_setting_makes_it_writable_by_any_of_its_names(project: Project, name: str) -> None:
    given = name.format(root=project.root.parent)
    view = build_view(project, replace(project.settings, writable=(given,)))

    assert project.root.parent / ".git" not in view.read_only
    assert project.root / ".dvc" in view.read_only
    assert view.exempt == (given,)
