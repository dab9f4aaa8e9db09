"""The branch that a CI job names: it names assets where no branch is out, and loosens no rule."""

import os
from pathlib import Path

import pytest

from ml_assets.project.project import Project
from ml_assets.project.protection import POLICY
from ml_assets.project.rules import find_rules
from resources.errors import ConfigurationError
from resources.git.repository import find_protected_branch, is_shallow
from security.policy.policy import builtin_policy
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

LOOSE = 'version = 1\n[environments.only]\ndefault = { level = "off" }\n'


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DvcProject:
    """A clone whose HEAD is a commit on no branch, which loosens the policy."""
    for name in list(os.environ):
        if name.startswith(("GITHUB_", "CI_", "GITLAB_", "ML_ASSETS_")):
            monkeypatch.delenv(name)
    tree = DvcProject(tmp_path / "origin")
    tree.root.mkdir()
    tree.git("init", "--quiet", "--initial-branch=main")
    tree.write("a.py", "a = 1\n")
    tree.commit()
    tree.git("clone", "--quiet", str(tree.root), str(tmp_path / "clone"))
    clone = DvcProject(tmp_path / "clone")
    clone.git("checkout", "--quiet", "--detach")
    clone.write(POLICY, LOOSE)
    clone.commit()
    return clone


def push(monkeypatch: pytest.MonkeyPatch, branch: str, commit: str) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REF_TYPE", "branch")
    monkeypatch.setenv("GITHUB_REF_NAME", branch)
    monkeypatch.setenv("GITHUB_SHA", commit)


def test_detached_head_of_a_job_has_the_name_of_its_branch(
    tree: DvcProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Project(tree.root).branch == "detached"

    push(monkeypatch, "develop", tree.git("rev-parse", "HEAD"))

    assert Project(tree.root).branch == "develop"
    assert Project(tree.root).run_tags["ml-assets/branch"] == "develop"


def test_job_of_another_commit_gives_no_name(
    tree: DvcProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(monkeypatch, "main", tree.git("rev-parse", "main"))

    assert Project(tree.root).branch == "detached"


def test_branch_that_is_checked_out_wins(tree: DvcProject, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.git("checkout", "--quiet", "-b", "feature")
    push(monkeypatch, "main", tree.git("rev-parse", "HEAD"))

    assert Project(tree.root).branch == "feature"


def test_job_that_calls_itself_main_is_judged_by_the_protected_branch(
    tree: DvcProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(monkeypatch, "main", tree.git("rev-parse", "HEAD"))

    rules = find_rules(tree.root)

    assert Project(tree.root).branch == "main"
    assert rules.policy == builtin_policy(), "that of origin/main, which has none"
    assert rules.origin == f"origin/HEAD at {tree.git('rev-parse', 'origin/main')[:12]}"
    assert rules.ignored == (POLICY,)


def test_shallow_clone_without_the_protected_branch_is_told_what_to_type(
    tree: DvcProject, tmp_path: Path
) -> None:
    tree.git("push", "--quiet", "origin", "HEAD:refs/heads/feature")
    shallow = tmp_path / "shallow"
    origin = f"file://{tmp_path / 'origin'}"
    tree.git("clone", "--quiet", "--depth=1", "--branch=feature", origin, str(shallow))

    assert is_shallow(shallow) and not is_shallow(tree.root) and not is_shallow(tmp_path)
    with pytest.raises(ConfigurationError, match="not in this clone: main") as caught:
        find_protected_branch(shallow)
    assert "fetch-depth: 0" in caught.value.hint
