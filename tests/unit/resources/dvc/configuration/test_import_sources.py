"""Sources of imports: another project does not get the user's credentials, and runs no program."""

import os
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from ml_assets.project.project import Project
from resources.dvc.configuration.repository import ImportSource, Repository
from resources.errors import ConfigurationError
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

THEIRS = "https://theirs.example/data"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration of DVC, for all projects."""
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "home"))
    monkeypatch.delenv("AWS_CONFIG_FILE", raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def source(empty_project: DvcProject, tmp_path: Path) -> DvcProject:
    """Another project."""
    return empty_project.copy(tmp_path / "source")


def remote(name: str = "r", **values: str) -> str:
    lines = "".join(f"    {key} = {value}\n" for key, value in values.items())
    return f"[core]\n    remote = {name}\n['remote \"{name}\"']\n{lines}"


def open_source(source: DvcProject, *, cloned: bool, **options: Any) -> Repo:
    source.commit()
    return Repo.open(f"{'file://' if cloned else ''}{source.root}", **options)


@pytest.mark.parametrize("cloned", [True, False])
def test_password_of_the_user_does_not_go_to_another_address(
    source: DvcProject, home: Path, cloned: bool
) -> None:
    (home / "config").write_text("['remote \"r\"']\n    password = mine\n    user = me\n")
    source.write(".dvc/config", remote(url=THEIRS, auth="basic", user="me"))
    with open_source(source, cloned=cloned) as repo:
        assert isinstance(repo, ImportSource)
        assert "password" not in repo.config["remote"]["r"]


@pytest.mark.parametrize("cloned", [True, False])
def test_password_of_the_user_goes_to_the_address_that_he_named(
    source: DvcProject, home: Path, cloned: bool
) -> None:
    (home / "config").write_text(f"['remote \"r\"']\n    password = mine\n    url = {THEIRS}\n")
    source.write(".dvc/config", remote(url=THEIRS, auth="basic", user="me"))
    with open_source(source, cloned=cloned) as repo:
        assert repo.config["remote"]["r"]["password"] == "mine"


def test_public_source_is_open_to_all(source: DvcProject, home: Path) -> None:
    source.write(".dvc/config", remote(url="s3://public/data", allow_anonymous_login="true"))
    with open_source(source, cloned=True) as repo:
        assert repo.config["remote"]["r"]["url"] == "s3://public/data"


RISKS = [
    ("webdavs://theirs.example/x", "bearer_token_command", "touch stolen"),
    ("s3://theirs/x", "configpath", "/tmp/aws.cfg"),
    ("s3://theirs/x", "credentialpath", "/tmp/aws.cfg"),
    ("gs://theirs/x", "endpointurl", "https://theirs.example"),
    ("ssh://theirs.example/x", "keyfile", "~/.ssh/id_ed25519"),
    ("ssh://theirs.example/x", "gss_auth", "true"),
    ("https://theirs.example/x", "ask_password", "true"),
    ("https://theirs.example/x", "ssl_verify", "false"),
    ("webhdfs://theirs.example/x", "proxy_to", "https://theirs.example"),
]


@pytest.mark.parametrize(("url", "key", "value"), RISKS)
def test_source_cannot_choose_a_program_a_file_or_an_endpoint_for_tokens(
    source: DvcProject, home: Path, url: str, key: str, value: str
) -> None:
    source.write(".dvc/config", remote(url=url, **{key: value}))
    with open_source(source, cloned=True) as repo:
        with pytest.raises(ConfigurationError, match=f"risky setting: remote.r.{key}") as refused:
            repo.cloud.get_remote()
    assert f"dvc config --global remote.r.{key} VALUE" in refused.value.hint


@pytest.mark.parametrize("given", ["config", "remote_config"])
def test_settings_of_a_dvc_file_for_its_source_are_judged_too(
    source: DvcProject, home: Path, given: str
) -> None:
    source.write(".dvc/config", remote(url="s3://public/data"))
    risk = {"configpath": "/tmp/aws.cfg"}
    options = {given: risk if given == "remote_config" else {"remote": {"r": risk}}}
    with open_source(source, cloned=True, **options) as repo:
        with pytest.raises(ConfigurationError, match="risky setting"):
            repo.cloud.get_remote()


IMPORT = """\
deps:
- path: s3://{place}/data.csv
  fs_config:
    configpath: /tmp/aws.cfg
frozen: true
outs:
- path: data.csv
"""


def test_dvc_file_of_a_branch_cannot_name_a_program_for_its_address(
    project: DvcProject, home: Path
) -> None:
    project.write("data.csv.dvc", IMPORT.format(place="ours"))
    project.commit()
    project.git("checkout", "--quiet", "-b", "feature")
    project.write("code.py", "pass\n")
    project.commit()
    assert index(project)  # the protected branch has it

    os.environ.pop("AWS_CONFIG_FILE", None)
    project.write("data.csv.dvc", IMPORT.format(place="theirs"))
    project.commit()
    with pytest.raises(ConfigurationError, match="configpath of s3://theirs/data.csv"):
        index(project)
    assert "AWS_CONFIG_FILE" not in os.environ


def index(project: DvcProject) -> list[Any]:
    at = Project(project.root)
    with Repository(at.root, at.remotes) as repo:
        return list(repo.index.stages)
