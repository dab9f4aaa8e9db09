"""Git's ignore files: what is added, in which order, and that Git understands it."""

import subprocess
from pathlib import Path

import pytest

from resources.dvc.lock.git_ignore import GitIgnore
from resources.errors import UnavailableError
from tests.file_version import read_version
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

ODD_NAMES = ["a b", "[x]", "!no", "#hash", "st*r", "wh?t", "ünï", "-dash", "quo'te\""]


@pytest.fixture
def tree(tmp_path: Path) -> DvcProject:
    """A working tree of Git without a commit."""
    tree = DvcProject(tmp_path / "tree")
    tree.root.mkdir()
    tree.git("init", "--quiet")
    return tree


def is_ignored(tree: DvcProject, path: str) -> bool:
    command = ["git", "-C", str(tree.root), "check-ignore", "--quiet", "--", path]
    return subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("name", ODD_NAMES)
def test_git_ignores_the_path_that_was_added_and_no_other(tree: DvcProject, name: str) -> None:
    others = ["ab", "x", "no", "star", "what", "hash", "sub/" + name]
    for path in [name, *others]:
        tree.write(path, "")

    GitIgnore(tree.root).write([str(tree.root / name)])

    assert is_ignored(tree, name)
    assert [path for path in others if is_ignored(tree, path)] == []


@pytest.mark.parametrize("name", ODD_NAMES)
def test_entry_is_the_one_that_dvc_writes(project: DvcProject, name: str) -> None:
    project.write(f"ours/{name}", "")
    project.write(f"theirs/{name}", "")
    with project.dvc() as repo:
        repo.scm.ignore(str(project.root / "theirs" / name))

    GitIgnore(project.root).write([str(project.root / "ours" / name)])

    written = [(project.root / place / ".gitignore").read_bytes() for place in ("ours", "theirs")]
    assert written[0] == written[1]


@pytest.mark.parametrize("before", ["", "/old\n", "/old", "# by hand\n\n/old\n"])
def test_old_lines_stay_and_new_ones_follow_in_the_given_order(
    tree: DvcProject, before: str
) -> None:
    file = tree.write(".gitignore", before)
    paths = [str(tree.root / name) for name in ("z", "a", "old" if before else "m")]

    GitIgnore(tree.root).write(paths)

    kept = before if not before or before.endswith("\n") else before + "\n"
    assert file.read_text() == kept + "/z\n/a\n" + ("" if before else "/m\n")


def test_file_is_written_beside_each_path(tree: DvcProject) -> None:
    tree.write("deep/er/out", "")
    paths = [str(tree.root / "out"), str(tree.root / "deep" / "er" / "out")]

    files = GitIgnore(tree.root).write(paths)

    assert [str(file.relative_to(tree.root)) for file in files] == [
        ".gitignore",
        "deep/er/.gitignore",
    ]
    assert [file.read_text() for file in files] == ["/out\n", "/out\n"]


def test_second_write_of_a_run_puts_a_late_stage_before_an_early_one(tree: DvcProject) -> None:
    # Stages end in any order; the file must read as if they had ended in the graph's.
    ignore = GitIgnore(tree.root)
    ignore.write([str(tree.root / "second")])

    ignore.write([str(tree.root / "first"), str(tree.root / "second")])

    assert (tree.root / ".gitignore").read_text() == "/first\n/second\n"


def test_file_that_says_it_all_already_is_left_alone(tree: DvcProject) -> None:
    file = tree.write(".gitignore", "/out\n")
    before = read_version(file)

    GitIgnore(tree.root).write([str(tree.root / "out")])

    assert read_version(file) == before


def test_what_git_shows_is_found(tree: DvcProject) -> None:
    tree.write(".gitignore", "/hidden\n/below/\n")
    paths = {name: str(tree.root / name) for name in ("hidden", "below/file", "seen", "a\nb")}

    visible = GitIgnore(tree.root).find_visible(paths.values())

    assert visible == {paths["seen"], paths["a\nb"]}
    assert GitIgnore(tree.root).find_visible([]) == set()


def test_tracked_file_counts_as_visible_only_when_it_is_not_ignored(tree: DvcProject) -> None:
    tree.write("tracked", "x")
    tree.commit()
    tree.write(".gitignore", "/tracked\n")

    assert GitIgnore(tree.root).find_visible([str(tree.root / "tracked")]) == set()


def test_what_git_tracks_is_found_and_what_holds_it(tree: DvcProject) -> None:
    for name in ("file", "holder/deep/file", "holder.txt", "ünï"):
        tree.write(name, "x")
    tree.git("add", "--all")
    names = ["file", "holder", "holder/deep", "hold", "holder.tx", "fil", "ünï", "missing"]
    paths = {name: str(tree.root / name) for name in names}

    tracked = GitIgnore(tree.root).find_tracked(paths.values())

    assert tracked == {paths[name] for name in ("file", "holder", "holder/deep", "ünï")}
    assert GitIgnore(tree.root).find_tracked([]) == set()


def test_tracked_files_are_found_below_the_root_of_git(tree: DvcProject) -> None:
    tree.write("below/file", "x")
    tree.git("add", "--all")
    below = tree.root / "below"

    assert GitIgnore(below).find_tracked([str(below / "file")]) == {str(below / "file")}


def test_git_that_cannot_tell_is_not_taken_for_nothing_tracked(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="git ls-files failed: .*not a git repository"):
        GitIgnore(tmp_path).find_tracked([str(tmp_path / "x")])
    with pytest.raises(UnavailableError, match="git check-ignore failed"):
        GitIgnore(tmp_path).find_visible([str(tmp_path / "x")])
