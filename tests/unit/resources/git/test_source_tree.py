"""The source tree: what belongs to it, and what nobody may overlook."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from resources.errors import ChangedError
from resources.git.command import run_git
from resources.git.source_tree import SourceTree, copy_files, read_source_tree
from resources.stores.digest_store import DigestStore
from security.content.digest import digest_bytes

pytestmark = pytest.mark.process


def git(root: Path, *arguments: str) -> None:
    done = run_git(root, "-c", "protocol.file.allow=always", *arguments)
    assert done.returncode == 0, done.stderr


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".py").write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    write(root, a="a = 1\n", pkg__b="b = 2\n")
    (root / ".gitignore").write_text("/ignored.py\n/out\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=one")
    return root


def read(root: Path, **options: object) -> SourceTree:
    store = DigestStore(root.parent / "digests.sqlite")
    return read_source_tree(root, store, **options)  # type: ignore[arg-type]  # as each test says


def test_tree_is_what_git_tracks_and_what_it_does_not_ignore(root: Path) -> None:
    write(root, new="n = 1\n", ignored="i = 1\n")

    tree = read(root)

    assert list(tree.files) == [".gitignore", "a.py", "new.py", "pkg/b.py"]
    assert tree.files["a.py"] == digest_bytes(b"a = 1\n").sha256
    assert tree.unreadable == {}


def test_ignored_file_that_git_tracks_all_the_same_is_source(root: Path) -> None:
    write(root, ignored="import os\n")
    git(root, "add", "--force", "ignored.py")

    assert "ignored.py" in read(root).files


def test_ignored_file_that_a_stage_reads_is_source(root: Path) -> None:
    write(root, ignored="import os\n")

    assert "ignored.py" in read(root, extra=["ignored.py"]).files


def test_outs_and_local_state_are_no_source(root: Path) -> None:
    write(root, model__m="m = 1\n")
    (root / ".ml-assets" / "state").mkdir(parents=True)
    write(root / ".ml-assets" / "state", x="x = 1\n")
    git(root, "add", "--force", "--all")

    assert list(read(root, outs=["model"]).files) == [".gitignore", "a.py", "pkg/b.py"]


def test_deleted_file_is_not_there(root: Path) -> None:
    (root / "a.py").unlink()

    tree = read(root)

    assert "a.py" not in tree.files and tree.unreadable == {}


@pytest.mark.parametrize("name", ["new\nline.py", "tab\t.py", "ü.py", "-rf.py", "a b.py", "'.py"])
def test_odd_names_are_names(root: Path, name: str) -> None:
    (root / name).write_text("x = 1\n")
    git(root, "add", "--all")

    assert name in read(root).files


def test_link_inside_the_tree_is_judged_where_it_leads(root: Path) -> None:
    os.symlink("a.py", root / "link.py")
    os.symlink("pkg", root / "linked")

    tree = read(root)

    assert tree.unreadable == {} and "link.py" not in tree.files


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret.py", "ignored.py", "missing.py"])
def test_link_to_a_file_that_is_no_source_is_not_overlooked(root: Path, target: str) -> None:
    (root.parent / "secret.py").write_text("evil = 1\n")
    write(root, ignored="evil = 1\n")
    os.symlink(target, root / "link.py")

    tree = read(root)

    assert list(tree.unreadable) == ["link.py"]
    assert list(tree.missing_for(lambda path: path.endswith(".py"))) == ["link.py"]
    assert tree.missing_for(lambda path: path.endswith(".yml")) == {}


def test_link_to_a_directory_outside_concerns_everybody(root: Path) -> None:
    os.symlink(root.parent, root / "linked")

    assert list(read(root).missing_for(lambda path: False)) == ["linked/"]


def test_pipe_is_not_overlooked(root: Path) -> None:
    os.mkfifo(root / "pipe.py")
    git(root, "update-index", "--add", "--cacheinfo", f"100644,{'0' * 39}1,pipe.py")

    assert list(read(root).unreadable) == ["pipe.py"]


def test_submodule_is_source_and_one_without_git_is_not_overlooked(root: Path) -> None:
    other = root.parent / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    write(other, sub="s = 1\n")
    git(other, "add", "--all")
    git(other, "commit", "--quiet", "--message=sub")
    git(root, "submodule", "--quiet", "add", str(other), "lib")

    assert "lib/sub.py" in read(root).files

    git(root, "submodule", "--quiet", "deinit", "--force", "lib")
    assert read(root).unreadable == {}  # nothing is there
    write(root, lib__planted="evil = 1\n")
    assert list(read(root).unreadable) == ["lib/"]


def test_project_below_the_git_root_is_a_tree_of_its_own(root: Path) -> None:
    assert list(read(root / "pkg").files) == ["b.py"]


def test_without_git_every_file_counts(tmp_path: Path) -> None:
    write(tmp_path, a="a = 1\n", pkg__b="b = 2\n")
    (tmp_path / ".dvc" / "cache").mkdir(parents=True)
    write(tmp_path / ".dvc" / "cache", c="c = 3\n")

    assert list(read(tmp_path).files) == ["a.py", "pkg/b.py"]


def test_change_is_seen(root: Path) -> None:
    store = DigestStore(root.parent / "digests.sqlite")
    tree = read_source_tree(root, store)
    assert tree.is_current(store)

    write(root, a="a = 2\n")

    assert not tree.is_current(store)


def test_copy_holds_what_was_digested_and_nothing_else(root: Path, tmp_path: Path) -> None:
    tree = read(root)
    target = tmp_path / "copy"

    copy_files(root, target, tree.select(lambda path: path != "a.py"), {"pkg/b.py": b"ruled\n"})

    assert (target / "pkg" / "b.py").read_bytes() == b"ruled\n"
    assert sorted(os.listdir(target)) == [".gitignore", "pkg"]


def test_file_that_changed_since_is_not_copied(root: Path, tmp_path: Path) -> None:
    tree = read(root)
    write(root, a="a = 2\n")

    with pytest.raises(ChangedError, match="file changed while a gate read it: a.py"):
        copy_files(root, tmp_path / "copy", tree.files, {})


def test_file_that_became_a_link_since_is_not_copied(root: Path, tmp_path: Path) -> None:
    tree = read(root)
    (root.parent / "same.py").write_text("a = 1\n")
    (root / "a.py").unlink()
    os.symlink("../same.py", root / "a.py")

    with pytest.raises(OSError, match="symbolic links"):
        copy_files(root, tmp_path / "copy", tree.files, {})


@pytest.mark.parametrize(("tracked", "there"), [(False, False), (True, True)])
def test_file_that_gets_our_output_is_judged_next_time(
    root: Path, tracked: bool, there: bool
) -> None:
    """Only a file that Git does not track is left out: no commit can hide one."""
    report = root / "report.txt"
    report.write_text("x\n")
    if tracked:
        git(root, "add", "report.txt")
    saved = os.dup(1)
    try:
        with report.open("a") as stream:
            os.dup2(stream.fileno(), 1)
            files = read(root).files
    finally:
        os.dup2(saved, 1)
        os.close(saved)
    assert ("report.txt" in files) is there
    assert "report.txt" in read(root).files


SHOW = """
import json, sys
from pathlib import Path
sys.path[:0] = {paths}
from resources.git.source_tree import read_source_tree
from resources.stores.digest_store import DigestStore
tree = read_source_tree(Path("."), DigestStore(Path("../digests")), extra=["code.txt"])
Path("../told").write_text(json.dumps([sorted(tree.files), tree.receiving]))
print("report")
"""


@pytest.mark.parametrize(
    ("pipeline", "left_out", "judged"),
    [
        ("{us} > a.txt", ["a.txt"], []),
        ("{us} 2>&1 | tee a.txt", ["a.txt"], []),
        ("{us} | tee a.txt b.txt > /dev/null", ["a.txt", "b.txt"], []),
        ("{us} | tee a.txt | cat > c.txt", ["a.txt", "c.txt"], []),
        ("({us}; true) | cat > c.txt", ["c.txt"], []),
        ("sh -c '{us}; true' | tee -a a.txt", ["a.txt"], []),
        ("{us} | tee pkg/a.txt", ["pkg/a.txt"], []),
        ("{us} 2> a.txt | tee b.txt", ["a.txt", "b.txt"], []),
        # Source is judged, whoever writes it, and so are files of other commands.
        ("{us} | tee a.py", [], ["a.py"]),
        ("{us} | tee code.txt", [], ["code.txt"]),
        ("{us} | tee ../a.txt", [], ["a.py"]),
        ("echo x > a.txt; {us} | cat", [], ["a.txt"]),
        ("sleep 9 > a.txt & {us} | cat; kill $!", [], ["a.txt"]),
        ("sleep 9 | tee a.txt & {us} | cat; kill $!", [], ["a.txt"]),
    ],
)
def test_files_that_our_pipeline_writes_are_left_out_unless_they_are_source(
    root: Path, pipeline: str, left_out: list[str], judged: list[str]
) -> None:
    (root / "code.txt").write_text("code")
    script = root.parent / "show.py"
    script.write_text(SHOW.format(paths=sys.path))
    command = pipeline.format(us=f"{sys.executable} {script}")
    subprocess.run(["sh", "-c", command], cwd=root, check=False, timeout=60)
    files, receiving = json.loads((root.parent / "told").read_text())
    assert receiving == left_out and set(judged) <= set(files)
    assert not set(left_out) & set(files)


def test_file_is_read_by_the_name_of_a_link_to_it(root: Path) -> None:
    """A link ``train.py`` makes Python of any file."""
    (root / "payload.txt").write_text("import os\n")
    (root / "train.py").symlink_to("payload.txt")
    (root / "again.py").symlink_to("train.py")
    (root / "folder.py").symlink_to("pkg")
    tree = read(root)
    assert tree.links == {"train.py": "payload.txt", "again.py": "payload.txt"}
    assert "payload.txt" in tree.select(lambda path: path == "again.py")
    assert not tree.select(lambda path: path == "folder.py") and not tree.unreadable
