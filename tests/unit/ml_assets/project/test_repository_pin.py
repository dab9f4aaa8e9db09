"""The repository pin: rules come from the repository and the history of the last command."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_assets.project.project import Project
from ml_assets.project.protection import BRANCH_VARIABLE, POLICY
from ml_assets.project.repository_pin import open_rules
from resources.errors import ConfigurationError
from tests.unit.ml_assets.project.test_protection import commit, git, write

pytestmark = pytest.mark.process

LOOSE = 'version = 1\n[environments.materialize]\ndefault = { level = "off" }\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project in a directory of a clone, whose rules were read once."""
    monkeypatch.delenv(BRANCH_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    root = tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "clone")
    write(root, "project/a.py", "a = 1\n")
    write(root, "project/.gitignore", ".ml-assets/state\n")
    commit(root)
    git(root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(root, "push", "--quiet", "origin", "main")
    found = Project(root / "project")
    open_rules(found)
    return found


def loosen(project: Project, parent: str | None) -> str:
    """Return a commit with a loose policy that is on no branch."""
    root = project.root
    git(root, "checkout", "--quiet", "-b", "evil")
    write(root, POLICY, LOOSE)
    commit(root)
    tree = git(root, "rev-parse", "HEAD^{tree}")
    made = git(root, "commit-tree", "-m", "x", *(["-p", parent] if parent else []), tree)
    git(root, "checkout", "--quiet", "main")
    git(root, "branch", "--quiet", "-D", "evil")
    return made


def rewrite(project: Project) -> None:
    git(project.root, "update-ref", "refs/remotes/origin/main", loosen(project, None))


def start_another_repository(project: Project) -> None:
    git(project.root.parent, "init", "--quiet", "--initial-branch=main", "project")
    commit(project.root)


def remove_every_branch(project: Project) -> None:
    git(project.root, "remote", "remove", "origin")
    git(project.root, "branch", "--quiet", "-m", "main", "other")


def point_to_a_fork(project: Project) -> None:
    git(project.root, "branch", "--quiet", "-f", "fork", loosen(project, None))
    git(project.root, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/heads/fork")


ATTACKS: dict[str, tuple[Callable[[Project], None], str]] = {
    "a rewritten branch": (rewrite, "does not contain its commit of the last run"),
    "another repository": (start_another_repository, "another Git repository than in the last run"),
    "no branch any more": (remove_every_branch, "the protected branch is gone"),
    "another default branch": (point_to_a_fork, "does not contain its commit of the last run"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_on_what_rules_are_read_from_is_refused(project: Project, name: str) -> None:
    attack, message = ATTACKS[name]
    attack(project)
    for _ in range(2):  # and it stays refused
        with pytest.raises(ConfigurationError, match=message) as caught:
            open_rules(Project(project.root))
    assert f"remove {project.root}" in caught.value.hint

    (project.state / "repository.json").unlink()  # as the hint says
    open_rules(Project(project.root))
    open_rules(Project(project.root))


def test_branch_that_moves_forward_is_followed(project: Project) -> None:
    root = project.root
    for number in range(2):
        write(root, "a.py", f"a = {number + 2}\n")
        commit(root)
        git(root, "push", "--quiet", "origin", "main")
        git(root, "fetch", "--quiet", "origin")
        rules = open_rules(Project(root))
        assert rules.protection.commit == git(root, "rev-parse", "HEAD")


def test_branch_with_the_name_head_protects_nothing(project: Project) -> None:
    git(project.root, "update-ref", "refs/remotes/origin/HEAD", loosen(project, "HEAD"))
    rules = open_rules(Project(project.root))
    assert rules.protection.branch is not None and rules.protection.branch.name == "origin/main"


def test_symbolic_head_names_the_default_branch(project: Project) -> None:
    git(project.root, "update-ref", "refs/remotes/origin/trunk", "HEAD")
    git(project.root, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    rules = open_rules(Project(project.root))
    assert rules.protection.branch is not None
    assert rules.protection.branch.commit == git(project.root, "rev-parse", "HEAD")


def test_replaced_object_is_not_read(project: Project) -> None:
    real = git(project.root, "rev-parse", "origin/main")
    git(project.root, "replace", real, loosen(project, real))
    assert POLICY not in open_rules(Project(project.root)).protection.paths


@pytest.mark.parametrize("forged", ["{}", "[]", "nonsense", '{"git": null}\n00', ""])
def test_pin_that_this_program_has_not_written_is_no_pin(project: Project, forged: str) -> None:
    (project.state / "repository.json").write_text(forged)
    open_rules(Project(project.root))
    written = (project.state / "repository.json").read_text()
    assert json.loads(written.partition("\n")[0])["branch"] == "origin/main"


def test_pin_of_another_commit_cannot_be_forged(project: Project) -> None:
    file = project.state / "repository.json"
    before = file.read_text()
    evil = loosen(project, None)
    git(project.root, "update-ref", "refs/remotes/origin/main", evil)
    pinned = json.loads(before.partition("\n")[0])
    forged = before.replace(pinned["commit"], evil)
    file.write_text(forged)
    # Removing the pin is the same as forging it: without file views, it is the user's to protect.
    assert open_rules(Project(project.root)).protection.commit == evil
    assert file.read_text() != forged


def test_pin_that_cannot_be_read_is_no_pass(project: Project) -> None:
    file = project.state / "repository.json"
    file.unlink()
    file.mkdir()
    with pytest.raises(OSError):
        open_rules(Project(project.root))
