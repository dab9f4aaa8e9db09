"""The protection and the rules: the protected branch's files rule, and the tree's are named."""

from pathlib import Path

import pytest

from ml_assets.project.protection import BRANCH_VARIABLE, POLICY, find_protected
from ml_assets.project.rules import find_rules
from resources.errors import ConfigurationError
from resources.git.command import run_git
from security.errors import SecurityError
from security.policy.policy import builtin_policy

pytestmark = pytest.mark.process

POLICY_TEXT = 'version = 1\n[environments.only]\ndefault = { level = "off" }\n'
SETTINGS = "[gates]\ntimeout = 7\n"


def git(root: Path, *arguments: str) -> str:
    done = run_git(root, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit on ``main``."""
    monkeypatch.delenv(BRANCH_VARIABLE, raising=False)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    write(tmp_path, "a.py", "a = 1\n")
    return commit(tmp_path)


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_text(text)


def commit(root: Path) -> Path:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "a state")
    return root


def test_without_a_policy_the_built_in_one_rules(root: Path) -> None:
    rules = find_rules(root)

    assert rules.policy == builtin_policy()
    assert rules.origin == f"main at {git(root, 'rev-parse', 'HEAD')[:12]}"
    assert rules.ignored == ()


def test_files_of_the_working_tree_do_not_rule_and_are_named(root: Path) -> None:
    write(root, POLICY, POLICY_TEXT)
    write(root, "ml-assets.toml", SETTINGS)

    rules = find_rules(root)

    assert rules.policy == builtin_policy()
    assert rules.settings.gates.timeout == 600.0
    assert rules.ignored == (POLICY, "ml-assets.toml")


def test_files_of_the_protected_branch_rule_on_another_branch_that_removes_them(
    root: Path,
) -> None:
    write(root, POLICY, POLICY_TEXT)
    write(root, "ml-assets.toml", SETTINGS)
    commit(root)
    git(root, "switch", "--quiet", "--create", "feature")
    git(root, "rm", "--quiet", POLICY, "ml-assets.toml")
    commit(root)

    rules = find_rules(root)

    assert set(rules.policy.environments) == {"only"}
    assert rules.settings.gates.timeout == 7.0
    assert rules.ignored == (POLICY, "ml-assets.toml")


def test_without_a_protected_branch_the_working_tree_rules(root: Path) -> None:
    git(root, "branch", "--move", "main", "trunk")
    write(root, POLICY, POLICY_TEXT)

    rules = find_rules(root)

    assert rules.origin == "the working tree (no protected branch)"
    assert set(rules.policy.environments) == {"only"}
    assert rules.protection.paths == ()


def test_policy_that_is_a_link_in_the_working_tree_is_not_read(root: Path) -> None:
    git(root, "branch", "--move", "main", "trunk")
    write(root, "elsewhere.toml", POLICY_TEXT)
    (root / ".ml-assets").mkdir()
    (root / POLICY).symlink_to(root / "elsewhere.toml")

    assert find_rules(root).policy == builtin_policy()


def test_branch_that_who_runs_the_tool_has_named_rules(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(root, "switch", "--quiet", "--create", "release")
    write(root, POLICY, POLICY_TEXT)
    commit(root)
    git(root, "switch", "--quiet", "main")
    monkeypatch.setenv(BRANCH_VARIABLE, "release")

    assert find_rules(root).origin.startswith("release at ")
    assert set(find_rules(root).policy.environments) == {"only"}


def test_named_branch_that_is_not_there_is_an_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BRANCH_VARIABLE, "release")

    with pytest.raises(ConfigurationError, match="not in this clone: release"):
        find_protected(root)


def test_remote_without_its_branch_here_is_an_error_and_not_the_working_tree(root: Path) -> None:
    git(root, "branch", "--move", "main", "feature")
    git(root, "remote", "add", "origin", "../somewhere")

    with pytest.raises(ConfigurationError, match="not in this clone: main"):
        find_protected(root)


def test_policy_that_is_none_is_an_error_with_its_place(root: Path) -> None:
    write(root, POLICY, "version = 1\nwaiver = []\n")
    commit(root)

    with pytest.raises(SecurityError, match=r"policy\.toml of main at") as caught:
        assert find_rules(root).policy
    assert caught.value.hint
