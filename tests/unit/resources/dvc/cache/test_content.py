"""Content: files and directories are identified as a real ``dvc add`` identifies them."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resources.dvc.cache.content import Content, ContentReader, tree_bytes
from resources.dvc.checkout.checkout import Checkout
from resources.errors import StageError
from resources.stores.digest_store import DigestStore
from security.content.digest import digest_bytes, digest_tree
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

Build = Callable[[DvcProject], object]


@pytest.fixture
def reader(tmp_path: Path) -> ContentReader:
    return ContentReader(DigestStore(tmp_path / "digests.sqlite"))


def plain_file(project: DvcProject) -> None:
    project.write("data", "some\r\nbytes\0\n")


def empty_file(project: DvcProject) -> None:
    project.write("data", "")


def executable_file(project: DvcProject) -> None:
    project.write("data", "#!/bin/sh\n", executable=True)


def executable_for_the_group_only(project: DvcProject) -> None:
    project.write("data", "x").chmod(0o654)


def link_to_a_file(project: DvcProject) -> None:
    project.write("below/target", "linked")
    (project.root / "data").symlink_to("below/target")


def directory(project: DvcProject) -> None:
    for name in ("b", "a.b", "a/b", "a-b", "Z", "deep/er/x", "with space", "ünï", "nothing"):
        project.write(f"data/{name}", "" if name == "nothing" else name)
    project.write("data/tool", "#!", executable=True)
    (project.root / "data" / "hollow").mkdir()


def empty_directory(project: DvcProject) -> None:
    (project.root / "data" / "hollow").mkdir(parents=True)


def directory_with_links(project: DvcProject) -> None:
    project.write("data/file", "x")
    project.write("elsewhere/file", "y")
    (project.root / "data" / "to-file").symlink_to("file")
    (project.root / "data" / "to-directory").symlink_to("../elsewhere")


def directory_with_a_git_repository(project: DvcProject) -> None:
    project.write("data/file", "x")
    project.write("data/inner/file", "y")
    DvcProject(project.root / "data" / "inner").git("init", "--quiet")


BUILDS = [
    plain_file,
    empty_file,
    executable_file,
    executable_for_the_group_only,
    link_to_a_file,
    directory,
    empty_directory,
    directory_with_links,
    directory_with_a_git_repository,
]


@pytest.mark.parametrize("build", BUILDS)
def test_path_is_identified_as_dvc_add_identifies_it(
    project: DvcProject, reader: ContentReader, build: Build
) -> None:
    build(project)

    content = reader.read(str(project.root / "data"))

    recorded = project.add("data")
    del recorded["path"]
    assert content is not None
    assert content.lock_fields() == recorded


@pytest.mark.parametrize("build", [directory, empty_directory, directory_with_links])
def test_listing_of_a_directory_is_the_object_that_dvc_caches(
    project: DvcProject, reader: ContentReader, build: Build
) -> None:
    build(project)

    content = reader.read(str(project.root / "data"))

    project.add("data")
    assert content is not None and content.entries is not None
    name = f".dvc/cache/files/md5/{content.md5[:2]}/{content.md5[2:]}"
    assert (project.root / name).read_bytes() == tree_bytes(content.entries)


def test_ignore_patterns_are_those_of_dvc(project: DvcProject) -> None:
    project.write(".dvcignore", "*.tmp\n/data/cache\n")
    for name in ("keep", "drop.tmp", "cache/file", "deep/cache/file", "deep/drop.tmp"):
        project.write(f"data/{name}", name)
    checkout = Checkout(project.root, project.root.parent / "state", project.manifest())

    content = checkout.read("data")

    recorded = project.add("data")
    del recorded["path"]
    assert content is not None and content.entries is not None
    assert [entry.path for entry in content.entries] == ["deep/cache/file", "keep"]
    assert content.lock_fields() == recorded


def test_lock_fields_come_in_the_order_of_dvc(project: DvcProject, reader: ContentReader) -> None:
    directory(project)
    executable = reader.read(str(project.root / "data" / "tool"))
    tree = reader.read(str(project.root / "data"))

    assert executable is not None and tree is not None
    assert list(executable.lock_fields()) == ["hash", "md5", "size", "isexec"]
    assert list(tree.lock_fields()) == ["hash", "md5", "size", "nfiles"]


def test_evidence_covers_every_file(project: DvcProject, reader: ContentReader) -> None:
    directory(project)

    content = reader.read(str(project.root / "data"))

    assert content is not None and content.entries is not None
    expected = {
        path.relative_to(project.root / "data").as_posix(): path.read_bytes()
        for path in (project.root / "data").rglob("*")
        if path.is_file()
    }
    assert {entry.path: entry.sha256 for entry in content.entries} == {
        path: hashlib.sha256(content).hexdigest() for path, content in expected.items()
    }
    assert content.sha256 == digest_tree((e.path, e.sha256) for e in content.entries)
    assert content.size == sum(map(len, expected.values()))


def test_changed_byte_of_one_file_changes_both_digests_of_the_directory(
    project: DvcProject, reader: ContentReader
) -> None:
    directory(project)
    before = reader.read(str(project.root / "data"))
    project.write("data/deep/er/x", "deep/er/y")

    after = reader.read(str(project.root / "data"))

    assert before is not None and after is not None
    assert before.md5 != after.md5
    assert before.sha256 != after.sha256


def test_nothing_there_is_no_content(tmp_path: Path, reader: ContentReader) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("nowhere")

    assert reader.read(str(tmp_path / "missing")) is None
    assert reader.read(str(tmp_path / "file" / "below")) is None
    assert reader.read(str(tmp_path / "link")) is None


def test_link_to_nowhere_in_a_directory_is_not_passed_over(
    tmp_path: Path, reader: ContentReader
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("x")
    (tmp_path / "data" / "link").symlink_to("nowhere")

    with pytest.raises(StageError, match="broken link: .*/data/link") as error:
        reader.read(str(tmp_path / "data"))
    assert "readlink" in error.value.hint


def test_file_that_vanishes_while_its_directory_is_read_is_not_passed_over(tmp_path: Path) -> None:
    def walk(top: str) -> Iterator[tuple[str, list[str]]]:
        yield top, ["gone"]

    (tmp_path / "data").mkdir()
    reader = ContentReader(DigestStore(tmp_path / "digests.sqlite"), walk)

    with pytest.raises(StageError, match="file removed while its directory was read: .*/gone"):
        reader.read(str(tmp_path / "data"))


def test_ignore_file_in_a_tracked_directory_is_refused(
    tmp_path: Path, reader: ContentReader
) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / ".dvcignore").write_text("*\n")

    with pytest.raises(StageError, match=".dvcignore inside a tracked directory: .*/data/deep"):
        reader.read(str(tmp_path / "data"))


def test_pipe_is_refused(tmp_path: Path, reader: ContentReader) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(StageError, match="not a file or directory: .*/pipe"):
        reader.read(str(tmp_path / "pipe"))


def test_pipe_in_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data" / "pipe")
    program = (
        "import sys; from pathlib import Path\n"
        "from resources.dvc.cache.content import ContentReader\n"
        "from resources.stores.digest_store import DigestStore\n"
        "from resources.errors import StageError\n"
        "try: ContentReader(DigestStore(Path(sys.argv[1], 'db'))).read(sys.argv[1] + '/data')\n"
        "except StageError: print('refused')\n"
    )

    finished = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=3,
        check=True,
    )

    assert finished.stdout == "refused\n"


def test_content_is_a_value() -> None:
    digests = digest_bytes(b"x")
    one, other = (Content(digests.md5, digests.sha256, digests.size) for _ in range(2))

    assert one == other
    with pytest.raises(AttributeError):
        one.size = 2  # type: ignore[misc]  # that is the point
