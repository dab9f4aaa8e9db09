"""Submodules: a commit is planned and run with their files, and a clone without them says so."""

import subprocess
from pathlib import Path

import pytest

from .repository import Repository


def git(directory: Path, *arguments: str) -> str:
    command = ["git", "-c", "protocol.file.allow=always", "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def library(repository: Repository) -> Path:
    """A repository with a file, a program and a link, and a submodule of its own."""
    inner, outer = repository.outside / "inner", repository.outside / "library"
    for place in (inner, outer):
        place.mkdir(parents=True)
        git(place, "init", "--quiet", "--initial-branch=main")
        git(place, "config", "user.name", "T")
        git(place, "config", "user.email", "t@example.invalid")
    (inner / "deep.txt").write_text("deep\n")
    git(inner, "add", "--all")
    git(inner, "commit", "--quiet", "--message", "deep")
    (outer / "lib.txt").write_text("hello\n")
    (outer / "tool.sh").write_text("#!/bin/sh\necho tool\n")
    (outer / "tool.sh").chmod(0o755)
    (outer / "link.txt").symlink_to("lib.txt")
    git(outer, "submodule", "--quiet", "add", str(inner), "inner")
    git(outer, "add", "--all")
    git(outer, "commit", "--quiet", "--message", "library")
    return outer


@pytest.fixture
def using(repository: Repository, library: Path) -> Repository:
    """A repository whose stages read files of the submodule, committed and never run."""
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", str(library), "libs/a")
    update = ("submodule", "update", "--init", "--recursive")
    repository.git("-c", "protocol.file.allow=always", *update)
    repository.stages(
        {
            "file": {"cmd": "cp libs/a/lib.txt f", "deps": ["libs/a/lib.txt"], "outs": ["f"]},
            "tree": {"cmd": "cat libs/a/*.txt > t", "deps": ["libs/a"], "outs": ["t"]},
            "tool": {"cmd": "libs/a/tool.sh > u", "deps": ["libs/a/tool.sh"], "outs": ["u"]},
            "deep": {
                "cmd": "cp libs/a/inner/deep.txt d",
                "deps": ["libs/a/inner/deep.txt"],
                "outs": ["d"],
            },
        }
    )
    repository.commit("with a submodule")
    return repository


def test_commit_runs_with_its_submodules_as_the_checkout_does(using: Repository) -> None:
    planned = using.ml_assets("plan", "--commit", "HEAD")
    assert planned.code == 0 and "4 to run" in planned.stdout, planned

    finished = using.ml_assets("run", "--commit", "HEAD", "--json")

    assert finished.code == 0, finished
    assert sorted(finished.ran) == ["deep", "file", "tool", "tree"]
    assert using.run().ran == {}  # restored: the inputs are the same
    using.commit("the lock files")
    assert "0 to run, 0 to restore, 4 fresh" in using.ml_assets("plan", "--commit", "HEAD").stdout
    assert using.repro().ran == {}


def test_code_in_a_submodule_counts_as_committed(using: Repository) -> None:
    assert using.run().ran
    model = using.ml_assets("verify", "f", "--json")
    steps = {one["name"]: one for one in model.document["steps"]}
    assert "libs/a" not in steps["commit"]["detail"], model

    using.write("libs/a/lib.txt", "changed\n")
    assert "file" in using.run().ran
    changed = using.ml_assets("verify", "f", "--json").document["steps"]
    assert "libs/a/lib.txt" in next(one for one in changed if one["name"] == "commit")["detail"]


def test_clone_without_the_submodule_says_how_to_get_it(using: Repository) -> None:
    using.git("submodule", "deinit", "--force", "libs/a")

    finished = using.ml_assets("run", "--keep-going", "--select", "file")

    assert finished.code == 1, finished
    hint = finished.stderr.splitlines()[-1]
    assert hint.startswith("hint: check out the submodule: git submodule update --init -- ")
    assert hint.endswith("/libs/a'")


def test_commit_whose_submodule_is_nowhere_fails_the_stages_that_read_it(
    using: Repository,
) -> None:
    using.stages({"own": {"cmd": "echo 1 > own", "outs": ["own"]}}, "other/dvc.yaml")
    using.git("update-index", "--cacheinfo", f"160000,{'1' * 40},libs/a")
    using.git("add", "other")
    using.git("commit", "--quiet", "--message", "a commit that nobody has")

    assert using.ml_assets("plan", "--commit", "HEAD").code == 0
    finished = using.ml_assets("run", "--commit", "HEAD", "--keep-going")

    assert finished.code == 1, finished
    assert list(finished.ran) == ["other/dvc.yaml:own"] or "own" in str(finished.ran)
    assert "git submodule update --init" in finished.stderr


def test_changed_object_of_a_submodule_is_refused(using: Repository) -> None:
    name = git(using.project / "libs" / "a", "rev-parse", "HEAD:lib.txt")
    modules = Path(git(using.project, "rev-parse", "--git-common-dir"))
    modules = modules if modules.is_absolute() else using.project / modules
    found = [one for one in modules.rglob(f"{name[:2]}/{name[2:]}") if one.is_file()]
    other = git(using.project / "libs" / "a", "rev-parse", "HEAD:tool.sh")
    forged = found[0].parent.parent / other[:2] / other[2:]
    found[0].chmod(0o644)
    found[0].write_bytes(forged.read_bytes())

    finished = using.ml_assets("run", "--commit", "HEAD")

    assert finished.code == 3, finished
    assert "missing or corrupt" in finished.stderr and not finished.ran


def test_code_of_a_submodule_that_cannot_be_compared_counts_as_uncommitted(
    using: Repository,
) -> None:
    """Its repository lies in the working tree, as those of old versions of Git do."""
    place = using.project / "libs" / "a"
    kept = Path(git(place, "rev-parse", "--absolute-git-dir"))
    (place / ".git").unlink()
    kept.rename(place / ".git")
    git(
        using.project,
        "config",
        "--file",
        str(place / ".git" / "config"),
        "--unset",
        "core.worktree",
    )

    assert "file" in using.run("--select", "file").ran

    steps = using.ml_assets("verify", "f", "--json").document["steps"]
    commit = next(one for one in steps if one["name"] == "commit")
    assert commit["verdict"] == "warned" and "libs/a/lib.txt" in commit["detail"]
