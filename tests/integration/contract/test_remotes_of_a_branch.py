"""Remotes that a branch chooses: the user's credentials go only where the protected branch says."""

from pathlib import Path

import pytest

from tests.unit.resources.dvc.configuration.stranger import PASSWORD, listen

from .http_store import serve
from .repository import Repository


@pytest.fixture
def project(repository: Repository) -> Repository:
    """A pipeline on ``main`` with a private remote; the user knows its password."""
    repository.write("in.txt", "1\n")
    repository.dvc("add", "--quiet", "in.txt")
    copy = {"cmd": "cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]}
    repository.stages({"copy": copy})
    modify(repository, url="http://127.0.0.1:9/data", auth="basic", user="joe")
    repository.dvc("config", "core.remote", "r")
    modify(repository, "--local", password=PASSWORD)
    repository.commit("main")
    repository.git("checkout", "--quiet", "-b", "feature")
    return repository


def modify(repository: Repository, *level: str, name: str = "r", **values: str) -> None:
    for key, value in values.items():
        repository.dvc("config", *level, f"remote.{name}.{key}", value)


def forget_data(repository: Repository) -> Path:
    """Move the cache away: it is the store of a remote now."""
    repository.remove("in.txt")
    store = repository.outside / "store"
    (repository.project / ".dvc" / "cache").rename(store)
    return store


@pytest.mark.parametrize("words", [("run", "--pull"), ("plan", "--pull")])
def test_password_does_not_go_where_a_branch_says(
    project: Repository, words: tuple[str, ...]
) -> None:
    with listen() as stranger:
        modify(project, url=f"{stranger.url}/data")
        project.commit("redirected")
        forget_data(project)
        finished = project.ml_assets(*words)
        assert stranger.got == [], finished
    assert "notice: ignored, main at " in finished.stderr
    assert "remote.r.url in .dvc/config" in finished.stderr
    assert "dvc config --local NAME VALUE" in finished.stderr
    assert PASSWORD not in finished.stdout + finished.stderr


def test_password_is_given_to_the_remote_of_the_protected_branch(project: Repository) -> None:
    store = forget_data(project)
    with serve(store, f"joe:{PASSWORD}") as server:
        project.git("checkout", "--quiet", "main")
        modify(project, url=server.url)
        project.commit("the remote")
        project.git("checkout", "--quiet", "-B", "feature")
        project.write("new.txt", "of the feature\n")
        project.commit("a feature")
        assert list(project.run("--pull").ran) == ["copy"]


def test_hint_for_a_remote_of_the_branch_works(project: Repository) -> None:
    project.git("checkout", "--quiet", "main")
    project.dvc("config", "--unset", "core.remote")
    project.commit("no default")
    project.git("checkout", "--quiet", "-B", "feature")
    store = forget_data(project)
    with serve(store) as server:
        modify(project, name="new", url=server.url)
        project.dvc("config", "core.remote", "new")
        project.commit("a new remote")

        refused = project.ml_assets("run", "--pull")
        assert refused.code != 0
        assert "remote not in main at" in refused.stderr
        assert "dvc config --local remote.new.url URL" in refused.stderr

        project.dvc("config", "--local", "remote.new.url", server.url)
        assert list(project.run("--pull").ran) == ["copy"]


def test_plan_that_may_fetch_compares_the_repository_with_the_last_command(
    project: Repository,
) -> None:
    assert project.ml_assets("plan", "--pull").code == 0
    tree = project.git("rev-parse", "main^{tree}").strip()
    other = project.git("commit-tree", "-m", "another history", tree).strip()
    project.git("update-ref", "refs/heads/main", other)
    refused = project.ml_assets("plan", "--pull", "--json")
    assert refused.code == 2, str(refused)
    assert "does not contain its commit" in refused.document["error"]["message"]
    assert project.ml_assets("plan").code == 0
