"""Git as this program starts it: a repository's configuration and files start no program."""

import os
import subprocess
from pathlib import Path

import pytest

from resources.git.command import run_git
from resources.git.mirror import open_mirror
from resources.git.repository import is_dirty, list_changed, read_head

pytestmark = pytest.mark.process


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    (root / "file").write_text("1")
    for words in (["add", "."], ["commit", "--quiet", "--message", "first"]):
        subprocess.run(["git", "-C", str(root), *words], check=True)
    return root


def plant(directory: Path) -> Path:
    """Write a program that leaves a trace; return the trace."""
    trace = directory / "trace"
    program = directory / "program"
    program.write_text(f"#!/bin/sh\necho started >> {trace}\n")
    os.chmod(program, 0o755)
    return trace


def test_file_system_monitor_of_the_configuration_does_not_start(
    repository: Path, tmp_path: Path
) -> None:
    trace = plant(tmp_path)
    subprocess.run(
        ["git", "-C", str(repository), "config", "core.fsmonitor", str(tmp_path / "program")],
        check=True,
    )
    (repository / "file").write_text("2")

    assert is_dirty(repository)
    assert list_changed(repository) == {"file"}
    assert not trace.exists()


def test_hook_does_not_start(repository: Path, tmp_path: Path) -> None:
    trace = plant(tmp_path)
    os.symlink(tmp_path / "program", repository / ".git" / "hooks" / "post-checkout")

    done = run_git(repository, "worktree", "add", "--detach", str(tmp_path / "worktree"), "HEAD")

    assert done.returncode == 0, done.stderr
    assert not trace.exists()


def test_bare_repository_that_a_commit_holds_is_not_used(repository: Path, tmp_path: Path) -> None:
    trace = plant(tmp_path)
    below = repository / "below"
    subprocess.run(["git", "init", "--quiet", "--bare", str(below)], check=True)
    for name, value in (
        ("core.bare", "false"),
        ("core.worktree", str(below)),
        ("core.fsmonitor", str(tmp_path / "program")),
        ("filter.x.clean", str(tmp_path / "program")),
    ):
        config = ["git", "config", "--file", str(below / "config"), name, value]
        subprocess.run(config, check=True)

    done = run_git(below, "status")

    assert done.returncode != 0
    assert b"bare repository" in done.stderr
    assert not trace.exists()


def test_mirror_of_this_program_is_used(repository: Path, tmp_path: Path) -> None:
    mirror = open_mirror(tmp_path / "mirror.git", str(repository))
    head = read_head(repository)
    assert head is not None and head.branch is not None
    assert mirror.fetch([head.branch], None) == {head.branch: head.commit}


@pytest.mark.parametrize("kind", ["filter", "fsmonitor"])
def test_configuration_of_a_submodule_starts_no_program(
    repository: Path, tmp_path: Path, kind: str
) -> None:
    """A stage can write into the submodule of a checkout, where Git's view protects nothing."""
    trace = plant(tmp_path)
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(other)], check=True)
    add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub"]
    for words in (add, ["commit", "--quiet", "--message", "submodule"]):
        subprocess.run(["git", "-C", str(repository), *words], check=True)
    inner = repository / "sub"
    name = "filter.evil.clean" if kind == "filter" else "core.fsmonitor"
    subprocess.run(["git", "-C", str(inner), "config", name, str(tmp_path / "program")], check=True)
    (inner / ".gitattributes").write_text("* filter=evil\n")
    (inner / "file").write_text("2")

    assert not list_changed(repository)
    is_dirty(repository)
    read_head(repository)
    assert not trace.exists()
    subprocess.run(["git", "-C", str(repository), "status"], check=True, capture_output=True)
    assert trace.exists(), "the attack itself does not work"


def test_another_commit_of_a_submodule_is_a_change(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(other)], check=True)
    add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub"]
    for words in (add, ["commit", "--quiet", "--message", "submodule"]):
        subprocess.run(["git", "-C", str(repository), *words], check=True)
    commit = ["commit", "--quiet", "--allow-empty", "--message", "another"]
    subprocess.run(["git", "-C", str(repository / "sub"), *commit], check=True)

    assert list_changed(repository) == {"sub"}
    assert is_dirty(repository)


def test_git_of_the_users_own_directories_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = plant(tmp_path)
    (tmp_path / "program").rename(tmp_path / "git")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    run_git(tmp_path, "--version")
    assert not trace.exists()
    monkeypatch.setenv("ML_ASSETS_GIT", str(tmp_path / "git"))
    run_git(tmp_path, "--version")
    assert trace.exists(), "the user names another one"
