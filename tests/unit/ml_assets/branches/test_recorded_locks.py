"""Lock files of branches: what is read of a record, what is written, and what is not believed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_assets.branches.lock_files import (
    AUTHOR,
    COMMIT_TRAILER,
    RUN_TRAILER,
    find_locks,
    is_written_by_run,
    list_kept,
    read_kept,
    read_trailers,
    write_kept,
)
from resources.dvc.graph.manifest import Layout, Manifest, Out, Stage
from resources.git.commit_history import Author
from resources.git.mirror import LOCKS, Mirror, open_mirror

pytestmark = pytest.mark.process

Write = Callable[..., str]
MESSAGE = "Record\n\n{}: {}\n{}: run-1\n"


def manifest() -> Manifest:
    """A graph of one stage with a cached out, a metric that Git keeps, and one elsewhere."""
    outs = (
        Out(path="model.bin", location="model.bin"),
        Out(path="metrics.json", location="metrics.json", cache=False),
        Out(path="../out", location="../out", cache=False),
        Out(path="s3://bucket/x", location="s3://bucket/x", cache=False),
    )
    stage = Stage(name="train", key="train", file="dvc.yaml", wdir=".", command="x", outs=outs)
    return Manifest(layout=Layout(cache_dir="/nowhere"), stages=(stage,))


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return open_mirror(tmp_path / "mirror.git", str(tmp_path / "nowhere"))


def commit(mirror: Mirror, parent: str | None, **files: str) -> str:
    named = {name.replace("_", "."): text.encode() for name, text in files.items()}
    return mirror.write_commit(named, "Change", Author("Ann", "a@b"), 1, parent)


def record(mirror: Mirror, origin: str, files: dict[str, bytes]) -> str:
    message = MESSAGE.format(COMMIT_TRAILER, origin, RUN_TRAILER)
    new = mirror.write_commit(files, message, AUTHOR, 2, None, whole=True)
    mirror.write_ref(f"{LOCKS}/main", new, mirror.read_ref(f"{LOCKS}/main"))
    return new


def find(mirror: Mirror, at: str, below: str = ".") -> tuple[dict[str, bytes], list[str]]:
    notices: list[str] = []
    return find_locks(mirror, "main", at, below, notices.append), notices


def test_only_lock_files_and_outs_of_git_in_the_repository_are_kept() -> None:
    assert list_kept(manifest()) == {"dvc.lock", "metrics.json"}


def test_without_a_record_there_is_none(mirror: Mirror) -> None:
    assert find(mirror, commit(mirror, None, a="1")) == ({}, [])


def test_record_of_an_ancestor_counts(mirror: Mirror) -> None:
    first = commit(mirror, None, train_py="1")
    record(mirror, first, {"dvc.lock": b"lock"})
    later = commit(mirror, first, train_py="2")
    assert find(mirror, first) == ({"dvc.lock": b"lock"}, [])
    assert find(mirror, later) == ({"dvc.lock": b"lock"}, [])


def test_what_somebody_has_committed_since_wins(mirror: Mirror) -> None:
    first = commit(mirror, None, train_py="1")
    record(mirror, first, {"dvc.lock": b"lock", "metrics.json": b"{}"})
    later = commit(mirror, first, dvc_lock="by hand")
    assert find(mirror, later)[0] == {"metrics.json": b"{}"}


def test_record_of_a_later_commit_or_of_rewritten_history_does_not_count(mirror: Mirror) -> None:
    first = commit(mirror, None, train_py="1")
    later = commit(mirror, first, train_py="2")
    record(mirror, later, {"dvc.lock": b"lock"})
    files, notices = find(mirror, first)
    assert not files
    assert "not an ancestor" in notices[0]


@pytest.mark.parametrize("origin", ["f" * 40, "--all", "HEAD:../x"])
def test_record_of_no_commit_does_not_count(origin: str, mirror: Mirror) -> None:
    first = commit(mirror, None, train_py="1")
    record(mirror, origin, {"dvc.lock": b"lock"})
    assert not find(mirror, first)[0]


def test_record_below_the_root_of_git_is_found_there(mirror: Mirror) -> None:
    first = commit(mirror, None, train_py="1")
    record(mirror, first, {"ml/dvc.lock": b"lock", "dvc.lock": b"other"})
    assert find(mirror, first, "ml")[0] == {"dvc.lock": b"lock"}


def test_record_cannot_write_code(tmp_path: Path) -> None:
    files = {"train.py": b"evil", ".git/hooks/post-checkout": b"evil", "../out": b"evil"}
    assert write_kept(tmp_path / "tree", manifest(), {**files, "dvc.lock": b"lock"}) == ["dvc.lock"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["dvc.lock"]


def test_record_is_written_through_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "dvc.lock").symlink_to(outside)
    assert write_kept(tree, manifest(), {"dvc.lock": b"lock"}) == []
    assert outside.read_text() == "precious"


def test_what_a_run_has_recorded_is_read_without_links_and_directories(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("lock")
    (tmp_path / "metrics.json").symlink_to("/etc/hostname")
    assert read_kept(tmp_path, manifest()) == {"dvc.lock": b"lock"}


def test_record_that_is_written_already_is_not_written_again(tmp_path: Path) -> None:
    assert write_kept(tmp_path, manifest(), {"dvc.lock": b"lock"}) == ["dvc.lock"]
    assert write_kept(tmp_path, manifest(), {"dvc.lock": b"lock"}) == []


def test_commit_of_a_run_is_known(mirror: Mirror) -> None:
    first = commit(mirror, None, train_py="1")
    message = MESSAGE.format(COMMIT_TRAILER, first, RUN_TRAILER)
    ours = mirror.write_commit({"dvc.lock": b"lock"}, message, AUTHOR, 2, first)
    assert read_trailers(mirror.read_message(ours)) == {COMMIT_TRAILER: first, RUN_TRAILER: "run-1"}
    assert is_written_by_run(mirror, ours)


@pytest.mark.parametrize(
    ("author", "files", "trailers"),
    [
        (Author("Ann", "a@b"), {"dvc.lock": b"x"}, True),
        (AUTHOR, {"dvc.lock": b"x", "train.py": b"evil"}, True),
        (AUTHOR, {"dvc.lock": b"x"}, False),
    ],
)
def test_commit_that_pretends_to_be_of_a_run_is_run(
    author: Author, files: dict[str, bytes], trailers: bool, mirror: Mirror
) -> None:
    first = commit(mirror, None, train_py="1")
    message = MESSAGE.format(COMMIT_TRAILER, first, RUN_TRAILER) if trailers else "Record"
    forged = mirror.write_commit(files, message, author, 2, first)
    assert not is_written_by_run(mirror, forged)
