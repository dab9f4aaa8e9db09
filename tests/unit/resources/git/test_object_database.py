"""The object database: bytes that do not have their hash are an error, never another answer."""

import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.errors import UnavailableError
from resources.git.mirror import open_mirror
from resources.git.object_database import ObjectDatabase
from resources.git.object_format import hash_object, parse_commit, parse_tree
from resources.git.repository import list_entries_at, read_files_at
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

POLICY = ".ml-assets/policy.toml"


def make(root: Path, *options: str) -> tuple[DvcProject, str]:
    root.mkdir()
    tree = DvcProject(root)
    tree.git("init", "--quiet", "--initial-branch=main", *options)
    tree.write(POLICY, "strict")
    tree.write("train.py", "honest")
    return tree, tree.commit()


@pytest.fixture(params=["sha1", "sha256"])
def tree(tmp_path: Path, request: pytest.FixtureRequest) -> DvcProject:
    return make(tmp_path / "tree", f"--object-format={request.param}")[0]


def head(tree: DvcProject) -> str:
    return tree.git("rev-parse", "HEAD")


def object_file(tree: DvcProject, name: str) -> Path:
    return tree.root / ".git" / "objects" / name[:2] / name[2:]


def overwrite(tree: DvcProject, name: str, kind: bytes, body: bytes) -> None:
    """Replace a loose object, as a stage can: Git reads the new bytes under the old hash."""
    file = object_file(tree, name)
    file.chmod(0o644)
    file.write_bytes(zlib.compress(b"%s %d\0" % (kind, len(body)) + body))


def overwrite_blob(tree: DvcProject) -> None:
    overwrite(tree, tree.git("rev-parse", f"HEAD:{POLICY}"), b"blob", b"lax")
    assert tree.git("cat-file", "blob", f"HEAD:{POLICY}") == "lax", "Git itself is taken in"


def overwrite_tree(tree: DvcProject) -> None:
    overwrite(tree, tree.git("rev-parse", "HEAD:.ml-assets"), b"tree", b"")


def overwrite_root(tree: DvcProject) -> None:
    overwrite(tree, tree.git("rev-parse", "HEAD^{tree}"), b"tree", b"")


def overwrite_commit(tree: DvcProject) -> None:
    empty = tree.git("hash-object", "-t", "tree", "-w", os.devnull)
    body = f"tree {empty}\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\nx\n"
    overwrite(tree, head(tree), b"commit", body.encode())


def remove_blob(tree: DvcProject) -> None:
    object_file(tree, tree.git("rev-parse", f"HEAD:{POLICY}")).unlink()


def remove_tree(tree: DvcProject) -> None:
    object_file(tree, tree.git("rev-parse", "HEAD:.ml-assets")).unlink()


def remove_commit(tree: DvcProject) -> None:
    object_file(tree, head(tree)).unlink()


def damage_blob(tree: DvcProject) -> None:
    file = object_file(tree, tree.git("rev-parse", f"HEAD:{POLICY}"))
    file.chmod(0o644)
    file.write_bytes(b"not compressed")


ATTACKS = [
    overwrite_blob,
    overwrite_tree,
    overwrite_root,
    overwrite_commit,
    remove_blob,
    remove_tree,
    remove_commit,
    damage_blob,
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_changed_object_is_an_error_and_never_no_policy(
    tree: DvcProject, attack: Callable[[DvcProject], None]
) -> None:
    commit = head(tree)
    attack(tree)

    with pytest.raises(UnavailableError) as caught:
        read_files_at(tree.root, commit, [POLICY])
    assert "fsck" in caught.value.hint


def test_object_in_another_directory_of_objects_does_not_count(
    tree: DvcProject, tmp_path: Path
) -> None:
    commit = head(tree)
    name = tree.git("rev-parse", f"HEAD:{POLICY}")
    other = tmp_path / "other" / name[:2]
    other.mkdir(parents=True)
    (other / name[2:]).write_bytes(zlib.compress(b"blob 3\0lax"))
    object_file(tree, name).unlink()
    (tree.root / ".git" / "objects" / "info" / "alternates").write_text(f"{other.parent}\n")

    with pytest.raises(UnavailableError, match="corrupt"):
        read_files_at(tree.root, commit, [POLICY])


@pytest.mark.parametrize("rev", ["HEAD", f"HEAD:{POLICY}"])
def test_replacement_is_not_followed(tree: DvcProject, rev: str) -> None:
    commit = head(tree)
    tree.write(POLICY, "lax")
    tree.commit()
    real = tree.git("rev-parse", rev.replace("HEAD", "HEAD~1"))
    tree.git("replace", real, tree.git("rev-parse", rev))

    assert read_files_at(tree.root, commit, [POLICY]) == {POLICY: b"strict"}


def test_files_are_read_and_listed_as_the_commit_has_them(tree: DvcProject) -> None:
    tree.write("below/a\nb", "x")
    tree.write("below/deep/er/c", "y", executable=True)
    (tree.root / "link").symlink_to("train.py")
    commit = tree.commit()

    assert read_files_at(tree.root / "below", commit, ["a\nb", "deep/er/c", "d", "deep"]) == {
        "a\nb": b"x",
        "deep/er/c": b"y",
    }
    listed = list_entries_at(tree.root / "below", commit)
    assert {path: one.mode for path, one in listed.items()} == {
        "a\nb": "100644",
        "deep/er/c": "100755",
    }
    assert set(list_entries_at(tree.root, commit)) == {
        POLICY,
        "train.py",
        "link",
        "below/a\nb",
        "below/deep/er/c",
    }
    assert not tree.git("fsck", "--full", "--strict")


def test_packed_objects_are_read(tree: DvcProject) -> None:
    commit = head(tree)
    tree.git("gc", "--quiet")

    assert read_files_at(tree.root, commit, [POLICY, "no"]) == {POLICY: b"strict"}


def test_differences_are_those_of_git(tree: DvcProject) -> None:
    old = head(tree)
    tree.write("train.py", "other")
    tree.write("train.py.d/x", "1")
    (tree.root / POLICY).unlink()
    tree.write(f"{POLICY}/now/a/directory", "1")
    new = tree.commit()
    listed = tree.git("diff-tree", "-r", "--name-only", old, new).split("\n")

    found = ObjectDatabase(tree.root).compare(old, new)

    assert sorted(found) == sorted(listed)
    assert found["train.py"][0] and found["train.py.d/x"][0] is None


def test_ancestor_is_proven_by_the_commits_between(tree: DvcProject) -> None:
    first = head(tree)
    tree.git("switch", "--quiet", "--create", "side")
    side = tree.commit()
    tree.git("switch", "--quiet", "main")
    tree.write("b", "b")
    second = tree.commit()
    tree.git("merge", "--quiet", "--no-edit", "side")
    merged = head(tree)
    objects = ObjectDatabase(tree.root)

    assert all(objects.is_ancestor(one, merged) for one in (first, side, second, merged))
    assert not objects.is_ancestor(second, side)
    assert not objects.is_ancestor(merged, first)


@pytest.mark.parametrize("way", ["graft", "replace", "object"])
def test_false_history_makes_no_ancestor(tree: DvcProject, way: str) -> None:
    commit = head(tree)
    tree.git("checkout", "--quiet", "--orphan", "evil")
    tree.write("train.py", "evil")
    evil = tree.commit()
    forged = tree.git("commit-tree", f"{commit}^{{tree}}", "-p", evil, "-m", "x")
    if way == "graft":
        (tree.root / ".git" / "info" / "grafts").write_text(f"{commit} {evil}\n")
    elif way == "replace":
        tree.git("replace", commit, forged)
    else:
        body = zlib.decompress(object_file(tree, forged).read_bytes()).partition(b"\0")[2]
        overwrite(tree, commit, b"commit", body)
    if way != "object":
        assert tree.git("log", "--format=%H", commit).endswith(evil), "Git itself is taken in"

    try:
        assert not ObjectDatabase(tree.root).is_ancestor(evil, commit)
    except UnavailableError as error:
        assert way == "object", error


def test_worktree_of_changed_files_is_not_kept(tmp_path: Path) -> None:
    """A stage of one branch overwrites a file of another one's commit in the mirror."""
    tree, commit = make(tmp_path / "tree")
    mirror = open_mirror(tmp_path / "mirror.git", str(tree.root))
    mirror.fetch(["main"], None)
    name = tree.git("rev-parse", "HEAD:train.py")
    file = mirror.directory / "objects" / name[:2] / name[2:]
    file.unlink(missing_ok=True)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(zlib.compress(b"blob 4\0evil"))
    worktree = tmp_path / "worktree"

    with pytest.raises(UnavailableError, match=f"corrupt: {name}"):
        mirror.add_worktree(commit, worktree)

    assert not worktree.exists()


@pytest.mark.parametrize("name", [b"a/b", b"..", b".", b".git", b""])
def test_name_that_leaves_its_directory_is_no_entry(name: bytes) -> None:
    with pytest.raises(ValueError, match="entry|name"):
        parse_tree(b"100644 " + name + b"\0" + b"x" * 20, 40)


def test_two_entries_of_one_name_are_refused() -> None:
    entry = b"100644 a\0" + b"x" * 20
    assert set(parse_tree(entry, 40)) == {"a"}
    with pytest.raises(ValueError, match="name"):
        parse_tree(entry + entry, 40)


@pytest.mark.parametrize(
    "head_lines",
    ["parent {0}\ntree {0}", "tree {0}\ntree {0}", "tree x", "tree {0}\nparent x", "", "tree {0}"],
)
def test_commit_has_one_tree_first_then_parents_then_an_author(head_lines: str) -> None:
    with pytest.raises(ValueError, match="tree|hash|author"):
        parse_commit(f"{head_lines.format('0' * 40)}\n\nmessage".encode())


def test_later_parent_line_is_no_parent() -> None:
    lines = f"tree {'0' * 40}\nparent {'1' * 40}\nauthor A <a@b> 1 +0000\nparent {'2' * 40}\n\nm"
    assert parse_commit(lines.encode()).parents == ("1" * 40,)


def test_hash_is_that_of_git() -> None:
    assert hash_object(b"blob", b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert hash_object(b"blob", b"", 64) == hashlib.sha256(b"blob 0\0").hexdigest()
