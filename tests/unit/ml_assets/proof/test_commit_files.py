"""The files of a commit: bytes decide whether a stage has read them, not the index of Git."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_assets.proof.commit_files import CommitFiles
from resources.git.repository import list_changed
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

CODE = "print('honest')\n"
EVIL = "print('hidden')\n"  # as long as the other


@pytest.fixture
def tree(tmp_path: Path) -> DvcProject:
    tree = DvcProject(tmp_path / "tree")
    tree.root.mkdir()
    tree.git("init", "--quiet", "--initial-branch=main")
    tree.write("train.py", CODE)
    tree.write("lib/code.py", CODE)
    tree.commit()
    return tree


def digests(tree: DvcProject, *paths: str) -> dict[str, str]:
    return {path: hashlib.sha256((tree.root / path).read_bytes()).hexdigest() for path in paths}


def differing(tree: DvcProject, *paths: str) -> list[str]:
    files = CommitFiles(tree.root, tree.git("rev-parse", "HEAD"))
    return files.find_differing(digests(tree, *(paths or ("train.py",))))


def assume_unchanged(tree: DvcProject) -> None:
    tree.git("update-index", "--assume-unchanged", "train.py")
    tree.write("train.py", EVIL)


def skip_worktree(tree: DvcProject) -> None:
    tree.git("update-index", "--skip-worktree", "train.py")
    tree.write("train.py", EVIL)


def keep_the_time(tree: DvcProject) -> None:
    file = tree.root / "train.py"
    tree.git("config", "core.trustctime", "false")
    tree.git("config", "core.checkStat", "minimal")
    os.utime(file, ns=(10**18, 10**18))
    tree.git("update-index", "--refresh")
    tree.git("status")
    with open(file, "r+b") as stream:  # the inode stays
        stream.write(EVIL.encode())
    os.utime(file, ns=(10**18, 10**18))


def clean_by_a_filter(tree: DvcProject) -> None:
    tree.git("config", "filter.hide.clean", "git cat-file blob HEAD:train.py")
    (tree.root / ".git" / "info" / "attributes").write_text("train.py filter=hide\n")
    tree.write("train.py", EVIL + "\n")
    tree.git("add", "train.py")


def expand_an_ident(tree: DvcProject) -> None:
    """Git takes anything between the dollar signs for its own."""
    tree.write("train.py", "note = '$Id$'\n")
    tree.commit()
    (tree.root / ".git" / "info" / "attributes").write_text("train.py ident\n")
    tree.write("train.py", "note = '$Id: '; print('hidden'); x = ' $'\n")
    tree.git("add", "train.py")


TRICKS = [assume_unchanged, skip_worktree, keep_the_time, clean_by_a_filter, expand_an_ident]


@pytest.mark.parametrize("trick", TRICKS)
def test_code_that_git_reports_as_unchanged_is_found(
    tree: DvcProject, trick: Callable[[DvcProject], None]
) -> None:
    trick(tree)
    assert list_changed(tree.root) == frozenset(), "Git itself is taken in"

    assert differing(tree) == ["train.py"]


def test_file_that_was_put_into_the_index_is_not_of_the_commit(tree: DvcProject) -> None:
    tree.write("new.py", EVIL)
    tree.git("add", "new.py")
    assert differing(tree, "new.py", "train.py") == ["new.py"]


def test_committed_files_do_not_differ(tree: DvcProject) -> None:
    (tree.root / "link.py").symlink_to("lib/code.py")
    tree.write("lib/data.bin", bytes(range(256)), executable=True)
    tree.commit()
    assert differing(tree, "train.py", "lib/code.py", "lib/data.bin", "link.py") == []


def test_link_out_of_the_commit_differs(tree: DvcProject, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text(EVIL)
    (tree.root / "link.py").symlink_to("../outside.py")
    (tree.root / "loop.py").symlink_to("loop.py")
    tree.commit()
    files = CommitFiles(tree.root, tree.git("rev-parse", "HEAD"))
    assert files.find_differing({**digests(tree, "link.py"), "loop.py": "0" * 64}) == [
        "link.py",
        "loop.py",
    ]


@pytest.mark.parametrize(
    ("attributes", "content"),
    [
        ("/train.py text eol=crlf", b"a = 1\r\nb = 2\r\n"),
        ("/train.py ident", b"# $Id$\n"),
        ("/train.py text working-tree-encoding=UTF-16", "a = 'ü'\n".encode("utf-16")),
        ("/train.py text working-tree-encoding=UTF-16 eol=crlf", "a = 1\r\n".encode("utf-16")),
    ],
)
def test_what_git_writes_into_a_checkout_is_no_false_alarm(
    tree: DvcProject, attributes: str, content: bytes
) -> None:
    tree.write(".gitattributes", attributes)
    tree.write("train.py", content)
    tree.commit()
    (tree.root / "train.py").unlink()
    tree.git("checkout", "--quiet", "--", "train.py")
    blob = tree.git("cat-file", "blob", "HEAD:train.py").encode()
    assert (tree.root / "train.py").read_bytes() != blob, "the checkout has other bytes"

    assert differing(tree) == []
    tree.write("train.py", (tree.root / "train.py").read_bytes() + b"\r\n\0")
    assert differing(tree) == ["train.py"]


def test_content_of_git_lfs_is_known_by_its_pointer(tree: DvcProject) -> None:
    content = b"large\r\n" * 1000
    pointer = (
        "version https://git-lfs.github.com/spec/v1\n"
        f"oid sha256:{hashlib.sha256(content).hexdigest()}\nsize {len(content)}\n"
    )
    tree.write("weights.bin", pointer)
    tree.commit()
    tree.write("weights.bin", content)
    assert differing(tree, "weights.bin") == []
    tree.write("weights.bin", content + b"x")
    assert differing(tree, "weights.bin") == ["weights.bin"]


def test_line_ends_of_binary_files_count(tree: DvcProject) -> None:
    tree.write("weights.bin", b"\0a\n")
    tree.commit()
    tree.write("weights.bin", b"\0a\r\n")
    assert differing(tree, "weights.bin") == ["weights.bin"]


def test_bytes_that_were_read_count_and_not_those_of_now(tree: DvcProject) -> None:
    """A stage's code is exchanged for the run and put back."""
    files = CommitFiles(tree.root, tree.git("rev-parse", "HEAD"))
    read = hashlib.sha256(EVIL.encode()).hexdigest()
    assert files.find_differing({"train.py": read}) == ["train.py"]


def test_before_the_first_commit_everything_differs(tmp_path: Path) -> None:
    assert CommitFiles(tmp_path, None).find_differing({"a": "0" * 64}) == ["a"]


def test_project_below_the_root_of_git_has_its_own_paths(tree: DvcProject) -> None:
    files = CommitFiles(tree.root / "lib", tree.git("rev-parse", "HEAD"))
    read = hashlib.sha256(CODE.encode()).hexdigest()
    assert files.find_differing({"code.py": read, "train.py": read}) == ["train.py"]
