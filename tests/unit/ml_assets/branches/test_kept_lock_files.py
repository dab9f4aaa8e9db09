"""Lock files of a working tree: what a run records, and what of a record is written."""

from pathlib import Path

from ml_assets.branches.lock_files import list_kept, read_kept, write_kept
from resources.dvc.graph.manifest import Layout, Manifest, Out, Stage


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


def test_only_lock_files_and_outs_of_git_in_the_repository_are_kept() -> None:
    assert list_kept(manifest()) == {"dvc.lock", "metrics.json"}


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
