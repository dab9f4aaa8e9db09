"""run --commit: a commit is run as it is, apart from the working tree, which nothing touches."""

from pathlib import Path

import pytest

from .repository import Repository


@pytest.fixture
def two(repository: Repository) -> Repository:
    """Two commits: the first one has run, the second reads something else."""
    repository.write("in.txt", "one\n")
    repository.stages(
        {"copy": {"cmd": "cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]}}
    )
    repository.run()
    repository.commit("one")
    repository.write("in.txt", "two\n")
    repository.commit("two")
    repository.write("in.txt", "not committed\n")
    return repository


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in root.rglob("*")
        if path.is_file() and not {".git", ".ml-assets", ".dvc"} & set(path.parts)
    }


def test_commit_is_run_as_it_is_and_the_working_tree_stays(two: Repository) -> None:
    before = snapshot(two.project)
    done = two.ml_assets("run", "--commit", "HEAD", "--json")
    assert done.code == 0, done
    (asset,) = done.document["assets"]
    assert (asset["action"], asset["status"]) == ("run", "passed")
    assert done.document["commit"] == two.git("rev-parse", "HEAD").strip()
    assert snapshot(two.project) == before
    assert two.git("worktree", "list").strip().count("\n") == 0


def test_commit_that_has_run_is_fresh(two: Repository) -> None:
    done = two.ml_assets("run", "--commit", "HEAD~1", "--json")
    assert [one["action"] for one in done.document["assets"]] == ["skip"]


def test_failing_stage_leaves_nothing_behind(two: Repository) -> None:
    two.stages({"copy": {"cmd": "false", "deps": ["in.txt"], "outs": ["out.txt"]}})
    two.commit("broken")
    done = two.ml_assets("run", "--commit", "HEAD")
    assert done.code == 1
    assert two.git("worktree", "list").strip().count("\n") == 0


@pytest.mark.parametrize("rev", ["nowhere", "--all", "HEAD:in.txt"])
def test_what_is_no_commit_is_refused(rev: str, two: Repository) -> None:
    done = two.ml_assets("run", f"--commit={rev}")
    assert done.code == 2
    assert "not a commit" in done.stderr


def test_rules_are_those_of_the_protected_branch_and_not_of_the_commit(two: Repository) -> None:
    two.git("checkout", "--quiet", "-b", "feature")
    policy = '[environments.staging]\ndefault = { level = "off" }\n'
    two.write(".ml-assets/policy.toml", f"version = 1\n{policy}")
    two.commit("loosened")
    done = two.ml_assets("run", "--commit", "HEAD", "--environment", "staging")
    assert "ignored, main at" in done.stderr
    assert "dependencies of source" in done.stderr  # which the commit's own policy turns off
