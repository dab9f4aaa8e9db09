"""Git: where a working tree stands, what a revision names, and what a commit held."""

import os
import re
from pathlib import Path

import pytest

from resources.errors import ConfigurationError, UnavailableError
from resources.git.commit_tree import CommitTree
from resources.git.repository import (
    Head,
    is_dirty,
    list_entries_at,
    read_head,
    read_remote_url,
    resolve_commit,
)
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process


@pytest.fixture
def tree(tmp_path: Path) -> DvcProject:
    """A working tree of Git with one commit."""
    tree = DvcProject(tmp_path / "tree")
    tree.root.mkdir()
    tree.git("init", "--quiet", "--initial-branch=main")
    tree.write("file", "one\n")
    tree.write(".gitignore", "ignored\n")
    tree.commit()
    return tree


def test_outside_of_git_there_is_no_head(tmp_path: Path) -> None:
    assert read_head(tmp_path) is None


def test_before_the_first_commit_there_is_a_branch_and_no_commit(tmp_path: Path) -> None:
    DvcProject(tmp_path).git("init", "--quiet", "--initial-branch=fresh")

    assert read_head(tmp_path) == Head(commit=None, branch="fresh")


@pytest.mark.parametrize("branch", ["main", "feature/a-b", "größe"])
def test_commit_and_branch_are_read(tree: DvcProject, branch: str) -> None:
    tree.git("checkout", "--quiet", "-B", branch)

    assert read_head(tree.root) == Head(tree.git("rev-parse", "HEAD"), branch)


def test_head_is_the_same_in_a_directory_below_and_in_a_linked_worktree(tree: DvcProject) -> None:
    tree.write("below/file", "x")
    commit = tree.commit()
    linked = tree.root.parent / "linked"
    tree.git("worktree", "add", "--quiet", "-b", "other", str(linked))

    assert read_head(tree.root / "below") == Head(commit, "main")
    assert read_head(linked) == Head(commit, "other")


def test_detached_head_has_a_commit_and_no_branch(tree: DvcProject) -> None:
    tree.git("checkout", "--quiet", "--detach")

    assert read_head(tree.root) == Head(tree.git("rev-parse", "HEAD"), None)


@pytest.mark.parametrize(
    ("change", "dirty"),
    [
        (lambda tree: tree.write("file", "two\n"), True),
        (lambda tree: (tree.root / "file").unlink(), True),
        (lambda tree: tree.write("new", ""), True),
        (lambda tree: tree.write("with\nnewline # x", ""), True),
        (lambda tree: (tree.root / "file").chmod(0o755), True),
        (lambda tree: (tree.write("file", "two\n"), tree.git("add", "file")), True),
        (lambda tree: tree.write("ignored", "x"), False),
        (lambda tree: os.utime(tree.root / "file", (1, 1)), False),
    ],
    ids=["changed", "removed", "untracked", "odd name", "mode", "staged", "ignored", "touched"],
)
def test_dirty_means_that_something_differs_from_the_commit(
    tree: DvcProject, change: object, dirty: bool
) -> None:
    assert callable(change)
    change(tree)

    assert is_dirty(tree.root) is dirty


def test_what_is_not_in_git_counts_as_dirty(tmp_path: Path) -> None:
    assert is_dirty(tmp_path) is True


def test_reading_the_head_writes_nothing_into_the_repository(tree: DvcProject) -> None:
    os.utime(tree.root / "file", (1, 1))
    index = tree.root / ".git" / "index"
    before = index.stat().st_ino, index.stat().st_mtime_ns, index.read_bytes()

    read_head(tree.root)
    is_dirty(tree.root)

    assert (index.stat().st_ino, index.stat().st_mtime_ns, index.read_bytes()) == before


def test_missing_git_is_not_taken_for_no_repository(
    tree: DvcProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnavailableError, match="git is not installed"):
        read_head(tree.root)


def test_repository_that_git_cannot_read_is_not_taken_for_clean(tree: DvcProject) -> None:
    (tree.root / ".git" / "index").write_bytes(b"garbage")

    with pytest.raises(UnavailableError, match="git status failed: .*index"):
        read_head(tree.root)


def test_hook_that_starts_us_does_not_choose_the_repository(
    tree: DvcProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = DvcProject(tmp_path / "other")
    other.root.mkdir()
    other.git("init", "--quiet", "--initial-branch=other")
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))

    assert read_head(tree.root) == Head(resolve_commit(tree.root, "main"), "main")


@pytest.mark.parametrize("rev", ["HEAD", "main", "release", "light", "HEAD^{commit}", "@~0"])
def test_revision_is_resolved_to_the_commit(tree: DvcProject, rev: str) -> None:
    tree.git("tag", "--annotate", "--message", "a release", "release")
    tree.git("tag", "light")
    commit = tree.git("rev-parse", "HEAD")

    assert resolve_commit(tree.root, rev) == commit
    assert resolve_commit(tree.root, commit[:12]) == commit


@pytest.mark.parametrize("rev", ["nowhere", "", "--all", "-h", "HEAD:file", "HEAD^{tree}", "a b"])
def test_what_names_no_commit_is_refused(tree: DvcProject, rev: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"not a commit: {rev}".strip())):
        resolve_commit(tree.root, rev)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host.invalid/team/x.git", "https://host.invalid/team/x.git"),
        ("https://user:secret@host.invalid/x", "https://host.invalid/x"),
        ("https://secret@host.invalid/x", "https://host.invalid/x"),
        ("ssh://git:secret@host.invalid:22/x", "ssh://host.invalid:22/x"),
        ("https://user:secret@host.invalid/x@y", "https://host.invalid/x@y"),
        ("git@host.invalid:team/x.git", "git@host.invalid:team/x.git"),
        ("/srv/git/x@y.git", "/srv/git/x@y.git"),
        ("https://user:p@secret@host.invalid/x", "https://host.invalid/x"),
    ],
)
def test_credentials_never_appear_in_the_address_of_the_remote(
    tree: DvcProject, url: str, shown: str
) -> None:
    tree.git("config", "remote.origin.url", url)

    assert read_remote_url(tree.root) == shown


def test_without_a_remote_there_is_no_address(tree: DvcProject, tmp_path: Path) -> None:
    assert read_remote_url(tree.root) is None


def test_file_is_read_as_the_commit_held_it(tree: DvcProject) -> None:
    content = bytes(range(256)) * 3
    tree.write("below/binary", content)
    commit = tree.commit()
    tree.write("below/binary", "other")

    assert CommitTree(tree.root, commit).read("below/binary") == content
    assert CommitTree(tree.root / "below", commit).read("binary") == content
    for path in ("below/missing", "below", "../tree/file"):
        with pytest.raises(UnavailableError, match="not a file of"):
            CommitTree(tree.root, commit).read(path)


def test_files_of_a_commit_are_listed_from_the_directory_that_was_asked_about(
    tree: DvcProject,
) -> None:
    odd = 'odd\t"name"\nü'
    tree.write(f"below/{odd}", "x")
    tree.write("below/tool", "#!", executable=True)
    commit = tree.commit()
    tree.write("below/later", "x")

    listed = list_entries_at(tree.root / "below", commit)
    assert {path: one.mode for path, one in listed.items()} == {odd: "100644", "tool": "100755"}
    with pytest.raises(UnavailableError, match="git ls-tree failed"):
        list_entries_at(tree.root, "0" * 40)
