"""Archives: read in place, and refused when a member or the whole is made to harm."""

import gzip
import io
import json
import os
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from resources.advisory_feed.archive import RawRecord, choose_records, read_archive
from resources.advisory_feed.errors import FeedError, HostileFeedError
from resources.advisory_feed.limits import FeedLimits
from resources.advisory_feed.source import read_source
from resources.errors import ConfigurationError
from tests.osv_records import osv_record, write_directory, write_tar, write_zip

RECORD = json.dumps(osv_record()).encode()
SMALL = FeedLimits(record=1 << 15, total=1 << 20, ratio=50, members=50)


def names(path: Path, limits: FeedLimits = SMALL) -> list[str]:
    """Return the names of a source's records."""
    return [one.where for one in read_source(path, limits)]


@pytest.mark.parametrize("ending", ["tar.gz", "tgz", "tar"])
def test_records_of_a_tar_are_read(tmp_path: Path, ending: str) -> None:
    mode = "w" if ending == "tar" else "w:gz"
    path = write_tar(tmp_path / f"a.{ending}", {"x/a.json": RECORD, "x/b.txt": b"no"}, mode)
    assert list(read_archive(path, SMALL)) == [RawRecord("x/a.json", RECORD)]


def test_records_of_a_zip_are_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "all.zip", [osv_record("A-1"), osv_record("A-2")])
    assert names(path) == ["A-1.json", "A-2.json"]


def test_directory_and_single_file_are_read(tmp_path: Path) -> None:
    root = write_directory(tmp_path / "records", [osv_record("A-1"), osv_record("A-2")])
    (root / "README.md").write_text("no record")
    (root / ".hidden.json").write_text("{}")
    assert names(root) == ["A-1.json", "A-2.json"]
    assert names(root / "A-1.json") == ["A-1.json"]


@pytest.mark.parametrize("ending", ["tar.gz", "zip", "directory"])
def test_pypa_checkout_gives_what_is_below_vulns(tmp_path: Path, ending: str) -> None:
    members = {
        "db/vulns/a/PYSEC-1.yaml": b"id: PYSEC-1",
        "db/vulns/.id-allocator": b"x",
        "db/triage/false_positives.yaml": b"ids: []",
        "db/.github/workflows/x.yaml": b"on: push",
    }
    path = tmp_path / f"pypa.{ending}"
    if ending == "directory":
        for name, content in members.items():
            file = path / name.removeprefix("db/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        assert names(path) == ["vulns/a/PYSEC-1.yaml"]
        return
    if ending == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        write_tar(path, members)
    assert names(path) == ["db/vulns/a/PYSEC-1.yaml"]


def test_vulns_far_below_is_an_ordinary_name() -> None:
    files = ["a/b/vulns/x.json", "y.json"]
    assert choose_records(files) == set(files)


@pytest.mark.parametrize(
    "name",
    ["../a.json", "x/../../a.json", "/etc/a.json", "a\\..\\b.json", "C:/a.json", "a\n.json"],
)
@pytest.mark.parametrize("ending", ["tar.gz", "zip"])
def test_member_outside_or_in_disguise_is_refused(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo(name), RECORD)
    else:
        write_tar(path, {"good.json": RECORD, name: RECORD})
    with pytest.raises(HostileFeedError, match="path out of the archive|control characters"):
        names(path)


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
)
def test_tar_with_a_link_or_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("link.json")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(HostileFeedError, match="not a file or directory"):
        names(path)


def test_zip_with_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("link.json")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(HostileFeedError, match="not a file or directory"):
        names(tmp_path / "a.zip")


def test_nothing_is_read_before_every_member_was_looked_at(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"good.json": RECORD, "../bad.json": RECORD}, "w")
    records = read_archive(path, SMALL)
    with pytest.raises(HostileFeedError):
        next(records)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("ending", ["tar", "zip"])
def test_member_given_twice_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.json", RECORD)
            archive.writestr("a.json", b"{}")
    else:
        with tarfile.open(path, "w") as tar:
            for content in (RECORD, b"{}"):
                member = tarfile.TarInfo("a.json")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    with pytest.raises(HostileFeedError, match="duplicate archive member"):
        names(path)


@pytest.mark.parametrize("ending", ["tar.gz", "zip"])
@pytest.mark.parametrize("name", ["bomb.json", "bomb.bin"])
def test_bomb_is_refused_without_using_memory(tmp_path: Path, ending: str, name: str) -> None:
    path = tmp_path / f"a.{ending}"
    size = 200 << 20
    if ending == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("bomb.json", "w") as stream:
                for _ in range(size >> 20):
                    stream.write(bytes(1 << 20))
    else:
        with gzip.open(path, "wb", 1) as packed:
            member = tarfile.TarInfo(name)
            member.size = size
            packed.write(member.tobuf())
            for _ in range(size >> 20):
                packed.write(bytes(1 << 20))
            packed.write(bytes(1024))
    tracemalloc.start()
    try:
        with pytest.raises(HostileFeedError, match="bytes"):
            names(path, FeedLimits(total=100 << 20))
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_small_archive_may_not_grow_a_thousandfold(tmp_path: Path) -> None:
    members = {f"{n}.json": b" " * 4000 for n in range(40)}
    path = write_tar(tmp_path / "a.tar.gz", members)
    with pytest.raises(HostileFeedError, match="unpacks to more than"):
        names(path)


@pytest.mark.parametrize("ending", ["tar", "zip", "directory"])
def test_too_many_members_are_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    records = [osv_record(f"A-{n}") for n in range(60)]
    if ending == "zip":
        write_zip(path, records)
    elif ending == "tar":
        write_tar(path, {f"{n}.json": b"" for n in range(60)}, "w")
    else:
        write_directory(path, records)
    with pytest.raises(HostileFeedError, match="more than 50 members"):
        names(path)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_header_of_endless_length_is_refused(tmp_path: Path, kind: bytes) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 1 << 30
    (tmp_path / "a.tar").write_bytes(header.tobuf() + bytes(4096))
    with pytest.raises(HostileFeedError, match="header of"):
        names(tmp_path / "a.tar")


def test_sparse_file_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("a.json")
    header.type = tarfile.GNUTYPE_SPARSE
    (tmp_path / "a.tar").write_bytes(header.tobuf() + bytes(10240))
    with pytest.raises(FeedError):
        names(tmp_path / "a.tar")


@pytest.mark.parametrize("ending", ["tar.gz", "tar", "zip"])
def test_archive_cut_off_anywhere_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "zip":
        write_zip(path, [osv_record("A-1"), osv_record("A-2")])
    else:
        members = {"A-1.json": RECORD, "A-2.json": RECORD}
        write_tar(path, members, "w" if ending == "tar" else "w:gz")
    content = path.read_bytes()
    step = 512 if ending == "tar" else 7
    end = len(content) - (10 if ending != "tar" else len(content) - 2048)
    for size in range(0, end, step):
        path.write_bytes(content[:size])
        with pytest.raises(FeedError):
            names(path)


def test_flipped_byte_in_a_compressed_record_is_noticed(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", [osv_record("A-1")])
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(FeedError):
        names(path)


def test_wrong_checksum_at_the_end_of_a_gzip_is_noticed(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar.gz", {"a.json": RECORD})
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(FeedError, match="damaged archive"):
        names(path)


def test_encrypted_and_unusual_zips_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", [osv_record("A-1")])
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[6] |= 1
    content[directory + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(FeedError, match="damaged archive.*encrypted"):
        names(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.json", RECORD)
    with pytest.raises(FeedError, match="unsupported compression"):
        names(path)


def test_huge_record_is_refused_in_every_source(tmp_path: Path) -> None:
    record = osv_record("A-1", details="x" * 5000)
    root = write_directory(tmp_path / "records", [record])
    limits = FeedLimits(record=4096)
    sources = [
        root,
        root / "A-1.json",
        write_zip(tmp_path / "a.zip", [record]),
        write_tar(tmp_path / "a.tar.gz", {"a.json": json.dumps(record).encode()}),
    ]
    for path in sources:
        with pytest.raises(HostileFeedError, match="record larger than 4096 bytes"):
            names(path, limits)


def test_symbolic_link_among_the_records_is_refused(tmp_path: Path) -> None:
    root = write_directory(tmp_path / "records", [osv_record("A-1")])
    (root / "A-2.json").symlink_to("/etc/passwd")
    with pytest.raises(HostileFeedError, match="symbolic link"):
        names(root)
    (root / "A-2.json").unlink()
    (root / "more").symlink_to(tmp_path)
    with pytest.raises(HostileFeedError, match="symbolic link"):
        names(root)


def test_pipe_among_the_records_does_not_hang(tmp_path: Path) -> None:
    root = write_directory(tmp_path / "records", [osv_record("A-1")])
    os.mkfifo(root / "A-2.json")
    with pytest.raises(HostileFeedError, match="not a regular file"):
        names(root)


@pytest.mark.parametrize("name", ["none", "a.txt", "a.rar"])
def test_what_is_no_source_is_refused(tmp_path: Path, name: str) -> None:
    if name != "none":
        (tmp_path / name).write_text("x")
    with pytest.raises(ConfigurationError, match="source of advisories"):
        names(tmp_path / name)
