"""A sparse checkout: a record counts while nothing lies there, and outs are supplied whole."""

import os
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from resources.dvc.cache.content import Content, RecordedContent
from resources.dvc.cache.placement import Placement
from resources.dvc.cache.remote import Remote, open_here
from resources.dvc.checkout.sparse_checkout import SparseCheckout
from resources.dvc.messages import hide_secrets
from resources.errors import CorruptObjectError, MissingInputError, UnavailableError
from resources.stores import digest_store
from security.content.digest import Digests
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

LARGE = b"x" * (64 << 10)


@pytest.fixture(scope="module")
def template(empty_project: DvcProject, tmp_path_factory: pytest.TempPathFactory) -> DvcProject:
    """Data that DVC has, and that is not in the working tree."""
    project = empty_project.copy(tmp_path_factory.mktemp("sparse") / "project")
    project.write("small.csv", "1\n")
    project.write("large.csv", LARGE)
    project.write("tool.sh", "echo\n", executable=True)
    project.write("tree/a", LARGE)
    project.write("tree/deep/b", "b\n")
    project.add("small.csv", "large.csv", "tool.sh", "tree")
    project.write("in.txt", "1\n")
    project.stages(
        {
            "log": {
                "cmd": "cat in.txt >> log.txt",
                "deps": ["in.txt", "tree/deep", "small.csv", "large.csv"],
                "outs": [{"log.txt": {"persist": True}}],
            },
            "metric": {
                "cmd": "cp in.txt m.json",
                "deps": ["in.txt"],
                "outs": [{"m.json": {"cache": False}}],
            },
        }
    )
    project.write("log.txt", LARGE)
    project.reproduce()
    for name in ("small.csv", "large.csv", "tool.sh", "log.txt"):
        (project.root / name).unlink()
    shutil.rmtree(project.root / "tree")
    return project


@pytest.fixture
def project(template: DvcProject, tmp_path: Path) -> DvcProject:
    return template.copy(tmp_path / "project")


def open_sparse(project: DvcProject) -> SparseCheckout:
    return SparseCheckout(project.root, project.root.parent / "state", project.manifest())


@pytest.fixture
def checkout(project: DvcProject) -> SparseCheckout:
    return open_sparse(project)


def with_store(project: DvcProject) -> Path:
    """Give a project a remote."""
    store = project.root.parent / "store"
    with project.dvc() as repo:
        with repo.config.edit() as config:
            config["remote"]["store"] = {"url": os.fspath(store)}
            config["core"]["remote"] = "store"
    return store


def cache_of(project: DvcProject) -> Path:
    return project.root / ".dvc" / "cache" / "files" / "md5"


def test_absent_out_is_known_by_its_record_and_has_no_digest(checkout: SparseCheckout) -> None:
    known = checkout.identify("small.csv")

    assert isinstance(known, RecordedContent)
    assert not hasattr(known, "sha256")
    assert checkout.read("small.csv") is None


def test_record_and_bytes_give_the_same_lock_fields(checkout: SparseCheckout) -> None:
    locations = ("small.csv", "tool.sh", "tree", "tree/deep")
    recorded = {location: checkout.identify(location) for location in locations}
    checkout.supply(*locations)

    for location, known in recorded.items():
        supplied = checkout.read(location)
        assert isinstance(known, RecordedContent) and isinstance(supplied, Content)
        assert known.lock_fields() == supplied.lock_fields()


def test_out_that_git_keeps_is_missing_when_it_is_absent(
    project: DvcProject, checkout: SparseCheckout
) -> None:
    (project.root / "m.json").unlink()

    assert checkout.identify("m.json") is None


def test_what_lies_there_counts_and_not_the_record(
    project: DvcProject, checkout: SparseCheckout
) -> None:
    project.write("small.csv", "other\n")
    checkout.supply("small.csv")

    assert isinstance(checkout.identify("small.csv"), Content)
    assert (project.root / "small.csv").read_text() == "other\n"


def test_only_a_large_file_is_linked(project: DvcProject, checkout: SparseCheckout) -> None:
    checkout.supply("small.csv", "large.csv", "tree", "log.txt", "tool.sh")
    links = {
        name: (project.root / name).stat().st_nlink
        for name in ("small.csv", "large.csv", "tree/a", "tree/deep/b", "log.txt", "tool.sh")
    }

    if links["large.csv"] == 1:
        assert set(links.values()) == {1}, "the file system shares blocks"
    else:
        assert {name for name, count in links.items() if count > 1} == {"large.csv", "tree/a"}
    assert os.access(project.root / "tool.sh", os.X_OK)
    assert (project.root / "log.txt").stat().st_mode & 0o200, "its stage goes on from it"


def test_corrupted_object_of_the_cache_is_not_placed(
    project: DvcProject, checkout: SparseCheckout
) -> None:
    known = checkout.identify("large.csv")
    assert known is not None
    path = Path(checkout.cache.path(known.md5))
    path.chmod(0o644)
    path.write_bytes(LARGE.replace(b"x", b"y", 1))
    path.chmod(0o444)

    with pytest.raises(CorruptObjectError, match="corrupted"):
        checkout.supply("large.csv")
    assert not (project.root / "large.csv").exists()


def test_corrupted_file_leaves_nothing_of_its_directory(
    project: DvcProject, checkout: SparseCheckout
) -> None:
    known = checkout.identify("tree")
    assert known is not None
    last = checkout.cache.listing(known.md5)[-1][1]
    path = Path(checkout.cache.path(last))
    path.chmod(0o644)
    path.write_bytes(b"evil\n")
    path.chmod(0o444)

    with pytest.raises(CorruptObjectError, match="corrupted"):
        checkout.supply("tree")
    assert not (project.root / "tree").exists()
    assert list((project.root / ".dvc" / "tmp" / "ml-assets").iterdir()) == []


def test_link_that_is_written_through_is_found_out(
    project: DvcProject, checkout: SparseCheckout, tmp_path: Path
) -> None:
    checkout.supply("large.csv")
    file = project.root / "large.csv"
    if file.stat().st_nlink == 1:
        pytest.skip("the file system shares blocks")
    file.chmod(0o644)
    file.write_bytes(LARGE.replace(b"x", b"y", 1))
    file.chmod(0o444)
    file.unlink()

    with pytest.raises(CorruptObjectError, match="corrupted"):
        checkout.supply("large.csv")


def test_objects_stay_known_when_a_working_tree_is_given_up(
    project: DvcProject, checkout: SparseCheckout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: object) -> Digests:
        raise AssertionError(f"read again: {path}")

    checkout.supply("large.csv", "tree", "small.csv")
    checkout.withdraw()
    assert (project.root / "small.csv").exists(), "it is a copy"
    again = open_sparse(project)
    for name in ("large.csv", "tree", "small.csv"):
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    monkeypatch.setattr(digest_store, "digest_file", read)
    again.supply("large.csv", "tree", "small.csv")

    assert (project.root / "tree" / "a").read_bytes() == LARGE


def test_object_that_was_changed_is_not_known_after_a_tree_was_given_up(
    project: DvcProject, checkout: SparseCheckout
) -> None:
    checkout.supply("large.csv")
    file = project.root / "large.csv"
    if file.stat().st_nlink == 1:
        pytest.skip("the file system shares blocks")
    before = file.stat()
    file.chmod(0o644)
    file.write_bytes(LARGE.replace(b"x", b"y", 1))
    file.chmod(0o444)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    checkout.withdraw()
    assert not file.exists()

    with pytest.raises(CorruptObjectError, match="corrupted"):
        open_sparse(project).supply("large.csv")


def test_what_got_there_first_is_left_alone(project: DvcProject, checkout: SparseCheckout) -> None:
    known = checkout.identify("tree")
    assert isinstance(known, RecordedContent)
    project.write("tree/mine", "mine\n")

    Placement(project.root, checkout.cache).place(known, checkout.path("tree"), linked=True)

    assert [one.name for one in (project.root / "tree").iterdir()] == ["mine"]


def test_what_a_killed_process_has_left_is_swept_away(
    project: DvcProject, checkout: SparseCheckout
) -> None:
    aside = project.root / ".dvc" / "tmp" / "ml-assets"
    (aside / "1-old" / "made").mkdir(parents=True)
    (aside / "2-new" / "made").mkdir(parents=True)
    os.utime(aside / "1-old", (0, 0))

    checkout.supply("small.csv")

    assert [one.name for one in aside.iterdir()] == ["2-new"]


def test_two_threads_fetch_what_both_need_once(project: DvcProject) -> None:
    class Counting(Remote):
        asked: list[list[str]] = []

        def fetch(self, md5s: Iterable[str]) -> None:
            wanted = list(md5s)
            self.asked.append(wanted)
            super().fetch(wanted)

    with_store(project)
    checkout = open_sparse(project)
    known = checkout.identify("large.csv")
    assert known is not None
    remote = Counting(checkout.cache, open_here(project.root, None)(None))
    remote.push([known.md5])
    Path(checkout.cache.path(known.md5)).unlink()
    checkout._remotes[None] = remote
    threads = [threading.Thread(target=checkout.supply, args=("large.csv",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert remote.asked == [[known.md5]]
    assert (project.root / "large.csv").read_bytes() == LARGE


def test_push_brings_whole_directories_and_fetch_gets_them_back(project: DvcProject) -> None:
    store = with_store(project)
    checkout = open_sparse(project)
    known = checkout.identify("tree")
    assert known is not None
    checkout.open_remote().push([known.md5])
    assert len([one for one in (store / "files" / "md5").glob("??/*") if one.is_file()]) == 3
    shutil.rmtree(cache_of(project))

    checkout.open_remote().fetch([known.md5])

    assert checkout.cache.holds(known.md5)
    checkout.cache.verify_all(known.md5)


def test_corrupted_object_is_never_pushed(project: DvcProject) -> None:
    store = with_store(project)
    checkout = open_sparse(project)
    known = checkout.identify("small.csv")
    assert known is not None
    path = Path(checkout.cache.path(known.md5))
    path.chmod(0o644)
    path.write_text("evil\n")
    path.chmod(0o444)

    with pytest.raises(CorruptObjectError, match="corrupted"):
        checkout.open_remote().push([known.md5])
    assert not store.exists()


def test_push_that_did_not_arrive_is_an_error(project: DvcProject) -> None:
    store = with_store(project)
    store.mkdir()
    store.joinpath("files").write_text("a file where a directory should be\n")
    checkout = open_sparse(project)
    known = checkout.identify("small.csv")
    assert known is not None

    with pytest.raises(UnavailableError, match="remote"):
        checkout.open_remote().push([known.md5])


def test_listing_is_fetched_for_what_lies_inside_and_nothing_else(project: DvcProject) -> None:
    with_store(project)
    checkout = open_sparse(project)
    known = checkout.identify("tree")
    inside = checkout.identify("tree/deep")
    assert known is not None and inside is not None
    checkout.open_remote().push([known.md5])
    shutil.rmtree(cache_of(project))

    again = open_sparse(project).identify("tree/deep")

    assert again is not None and again.md5 == inside.md5
    assert [one.name for one in cache_of(project).glob("??/*")] == [known.md5[2:]]


def test_inside_of_a_directory_that_nobody_has_nothing_is_known(project: DvcProject) -> None:
    shutil.rmtree(cache_of(project))
    checkout = open_sparse(project)

    assert checkout.identify("tree/deep") is None
    assert checkout.identify("tree") is not None


def test_no_remote_is_told_with_what_is_missing(project: DvcProject) -> None:
    shutil.rmtree(cache_of(project))

    with pytest.raises(MissingInputError, match="small.csv: data missing from checkout") as caught:
        open_sparse(project).supply("small.csv")
    assert caught.value.hint == "configure a remote: dvc remote add -d NAME URL"


@pytest.mark.parametrize(
    "text",
    [
        "cannot open https://joe:hunter2@store.example/a",
        "401, url='https://joe:hunter2@store.example/a'",
        "GET https://store.example/a?X-Amz-Signature=hunter2&X-Amz-Date=1 failed",
        "ssh://joe:hun%40ter2hunter2@store.example",
    ],
)
def test_credentials_of_an_address_are_never_in_a_message(text: str) -> None:
    assert "hunter2" not in hide_secrets(text)
    assert "store.example" in hide_secrets(text)
