"""The object cache: what is kept, what is given out, and that wrong bytes never are."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from resources.dvc.cache.content import Content, ContentReader
from resources.errors import CorruptObjectError, ResourceError, UnavailableError
from resources.files import current_umask
from resources.stores.digest_store import DigestStore
from tests.file_version import read_version
from tests.unit.resources.dvc.cache.cache_place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def file(place: Place) -> Content:
    """A file in the cache."""
    (place.work / "file").write_bytes(b"good bytes")
    return place.keep("file")


@pytest.fixture
def tree(place: Place) -> Content:
    """A directory in the cache."""
    for name in ("a", "deep/b", "deep/er/ünï c"):
        path = place.work / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return place.keep("tree")


def damage(path: Path, mode: int = 0o444) -> None:
    path.chmod(0o644)
    path.write_bytes(b"evil bytes")
    path.chmod(mode)


def test_object_lies_where_dvc_looks_and_can_only_be_read(place: Place, file: Content) -> None:
    (path,) = place.objects()

    assert path == Path(place.cache.path(file.md5)) == place.object(file.md5)
    assert path.read_bytes() == b"good bytes"
    assert path.stat().st_mode & 0o7777 == 0o444


def test_directory_is_kept_file_by_file_with_its_listing(place: Place, tree: Content) -> None:
    assert tree.entries is not None

    assert {path.stat().st_mode & 0o7777 for path in place.objects()} == {0o444}
    assert len(place.objects()) == 4
    assert place.cache.listing(tree.md5) == [(entry.path, entry.md5) for entry in tree.entries]


def test_what_was_kept_is_given_back(place: Place, file: Content, tree: Content) -> None:
    place.cache.take(file.md5, str(place.work / "file2"))
    place.cache.take(tree.md5, str(place.work / "tree2"))

    assert place.reader.read(str(place.work / "file2")) == file
    again = ContentReader(DigestStore(place.root / "other")).read(str(place.work / "tree2"))
    assert again == tree


def test_restored_file_can_be_written_and_executed_as_recorded(place: Place, file: Content) -> None:
    place.cache.take(file.md5, str(place.work / "plain"))
    place.cache.take(file.md5, str(place.work / "tool"), executable=True)

    plain = 0o666 & ~current_umask()
    assert (place.work / "plain").stat().st_mode & 0o7777 == plain
    assert (place.work / "tool").stat().st_mode & 0o7777 == plain | 0o100


def test_writing_to_a_restored_file_does_not_reach_the_cache(place: Place, file: Content) -> None:
    place.cache.take(file.md5, str(place.work / "copy"))

    (place.work / "copy").write_bytes(b"evil bytes")
    (place.work / "file").write_bytes(b"evil bytes")

    assert place.object(file.md5).read_bytes() == b"good bytes"


def test_object_that_is_there_is_not_written_again(place: Place, file: Content) -> None:
    before = read_version(place.object(file.md5))

    place.keep("file")

    assert read_version(place.object(file.md5)) == before


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_corrupted_object_is_never_restored(place: Place, file: Content, mode: int) -> None:
    damage(place.object(file.md5), mode)

    with pytest.raises(CorruptObjectError, match="corrupted cache object: .*/files/md5/") as error:
        place.cache.take(file.md5, str(place.work / "out"))

    assert f"rm -f {place.object(file.md5)}" in error.value.hint
    assert not (place.work / "out").exists()


def test_object_corrupted_after_it_was_checked_is_refused(place: Place, file: Content) -> None:
    place.cache.verify(file.md5)
    damage(place.object(file.md5))

    with pytest.raises(CorruptObjectError):
        place.cache.verify(file.md5)


def test_corrupted_object_that_could_be_written_counts_as_missing(
    place: Place, file: Content
) -> None:
    # Like DVC: a mode other than 444 says that somebody may have changed it.
    place.object(file.md5).chmod(0o644)
    assert place.cache.holds(file.md5)

    damage(place.object(file.md5), 0o644)
    assert not place.cache.holds(file.md5)
    place.keep("file")
    assert place.object(file.md5).read_bytes() == b"good bytes"


def test_corrupted_file_of_a_directory_is_found_before_anything_is_restored(
    place: Place, tree: Content
) -> None:
    assert tree.entries is not None
    damage(place.object(tree.entries[1].md5))

    with pytest.raises(CorruptObjectError):
        place.cache.verify_all(tree.md5)
    with pytest.raises(CorruptObjectError):
        place.cache.take(tree.md5, str(place.work / "out"))
    assert not (place.work / "out" / tree.entries[1].path).exists()


def test_corrupted_listing_is_refused(place: Place, tree: Content) -> None:
    damage(place.object(tree.md5))

    assert not place.cache.holds(tree.md5)
    with pytest.raises(CorruptObjectError, match="corrupted cache object"):
        place.cache.listing(tree.md5)


def test_directory_with_a_missing_file_is_not_held(place: Place, tree: Content) -> None:
    assert tree.entries is not None
    assert place.cache.holds(tree.md5)

    place.object(tree.entries[2].md5).unlink()

    assert not place.cache.holds(tree.md5)
    with pytest.raises(UnavailableError, match="cannot read cache object: .*no such file"):
        place.cache.verify_all(tree.md5)
    with pytest.raises(UnavailableError):
        place.cache.take(tree.md5, str(place.work / "out"))


def test_missing_object_is_not_held(place: Place) -> None:
    for md5 in ("0" * 32, "0" * 32 + ".dir"):
        assert not place.cache.holds(md5)
        with pytest.raises(UnavailableError, match="cannot read cache object"):
            place.cache.take(md5, str(place.work / "out"))


@pytest.mark.parametrize(
    "path", ["../out", "a/../../out", "/tmp/out", "..", "a/..", "deep/../../../x"]
)
def test_listing_that_names_a_file_outside_its_directory_is_refused(
    place: Place, file: Content, path: str
) -> None:
    md5 = place.plant_listing([{"md5": file.md5, "relpath": path}])
    before = sorted(place.root.rglob("*"))

    with pytest.raises(CorruptObjectError, match="lists a file outside of its directory"):
        place.cache.take(md5, str(place.work / "inner" / "out"))

    assert not place.cache.holds(md5)
    assert [p for p in sorted(place.root.rglob("*")) if p.is_file()] == [
        p for p in before if p.is_file()
    ]


@pytest.mark.parametrize(
    "listing",
    [
        "text",
        {"md5": "x"},
        [1],
        [{"md5": "0" * 32}],
        [{"relpath": "x"}],
        None,
        [{"relpath": 5, "md5": "0" * 32}],
        [{"relpath": "x", "md5": 5}],
    ],
)
def test_object_that_is_no_listing_is_refused(place: Place, listing: Any) -> None:
    md5 = place.plant_listing(listing)

    assert not place.cache.holds(md5)
    with pytest.raises(CorruptObjectError, match="is not a directory listing"):
        place.cache.take(md5, str(place.work / "out"))


def test_listing_cannot_make_us_advise_to_remove_a_file_outside_the_cache(place: Place) -> None:
    victim = place.root / "precious"
    victim.write_text("x")
    name = os.path.relpath(victim, place.root / "cache" / "files" / "md5" / "..")
    md5 = place.plant_listing([{"relpath": "x", "md5": f"..{name}"}])

    with pytest.raises(ResourceError) as error:
        place.cache.take(md5, str(place.work / "out"))

    assert "precious" not in error.value.hint


def test_directory_in_place_of_an_object_is_refused(place: Place, file: Content) -> None:
    place.object(file.md5).unlink()
    (place.object(file.md5) / "x").mkdir(parents=True)

    with pytest.raises(UnavailableError):
        place.cache.take(file.md5, str(place.work / "out"))
    with pytest.raises(UnavailableError, match="a directory in the place of a cache object"):
        place.keep("file")


def test_threads_that_keep_the_same_object_do_not_disturb_each_other(place: Place) -> None:
    files = [place.work / f"copy{number}" for number in range(6)]
    for path in files:
        path.write_bytes(b"same bytes" * 200_000)
    start = threading.Barrier(len(files))
    failures: list[BaseException] = []

    def keep(name: str) -> None:
        start.wait()
        try:
            place.keep(name)
        except BaseException as error:  # noqa: B036  # shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=keep, args=(path.name,)) for path in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    (path,) = place.objects()
    assert path.stat().st_mode & 0o7777 == 0o444
    place.cache.verify(path.parent.name + path.name)


def test_failed_copy_leaves_no_half_object(place: Place) -> None:
    (place.work / "file").write_bytes(b"x")
    content = place.reader.read(str(place.work / "file"))
    assert content is not None
    (place.work / "file").unlink()

    with pytest.raises(FileNotFoundError):
        place.cache.keep(str(place.work / "file"), content)

    assert place.objects() == []
