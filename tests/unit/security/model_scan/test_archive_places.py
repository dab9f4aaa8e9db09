"""Tar archives that extraction writes elsewhere, and code in archives of models."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from security.model_scan.limits import ScanLimits
from security.model_scan.report import Scan, ScanPurpose
from security.model_scan.scan import scan_descriptor

LINK, HARD, FIFO, FOLDER = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE
Entry = tuple[str, bytes, str]
FILE = tarfile.REGTYPE


def pack(entries: Iterable[Entry], kind: int = tarfile.GNU_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for name, flag, target in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = flag, target
            content = pickle.dumps({"a": 1}) if flag == FILE else b""
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def scan(path: Path, content: bytes, purpose: ScanPurpose) -> Scan:
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return scan_descriptor(descriptor, ScanLimits(), purpose)
    finally:
        os.close(descriptor)


ESCAPES: dict[str, list[Entry]] = {
    "parent": [("../x", FILE, "")],
    "deep parent": [("a/../../x", FILE, "")],
    "absolute": [("/tmp/x", FILE, "")],
    "folder": [("../x", FOLDER, "")],
    "link outside": [("../x", LINK, "a")],
    "below a link": [("a", LINK, "/tmp"), ("a/x", FILE, "")],
    "far below a link": [("a/b", LINK, "."), ("a/b/c/x", FILE, "")],
    "through a link": [("x", LINK, "/tmp/y"), ("x", FILE, "")],
    "through a link with another spelling": [("x", LINK, "/tmp/y"), ("./x", FILE, "")],
    "through a hard link": [("x", HARD, "/tmp/y"), ("x", FILE, "")],
    "long name": [("a" * 150 + "/../../../x", FILE, "")],
}
LEAVES: dict[str, list[Entry]] = {
    "absolute": [("x", LINK, "/etc/passwd")],
    "parent": [("a/x", LINK, "../../y")],
    "hard": [("a/x", HARD, "../y")],
    "long target": [("x", LINK, "a/" * 90 + "../" * 91 + "y")],
    "pipe": [("x", FIFO, "")],
}
HONEST: list[Entry] = [
    ("./", FOLDER, ""),
    ("./a/", FOLDER, ""),
    ("./a/x", FILE, ""),
    ("./a/y", LINK, "x"),
    ("./a/z", LINK, "../a/x"),
    ("./b", HARD, "./a/x"),
    ("a..b/..c", FILE, ""),
    ("d" * 150 + "/x", FILE, ""),
    ("e" * 50 + "/" + "f" * 80, FILE, ""),
]
FORMATS = [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("purpose", [ScanPurpose.MODEL, ScanPurpose.DATA])
def test_member_that_is_extracted_elsewhere_is_found(
    tmp_path: Path, name: str, kind: int, purpose: ScanPurpose
) -> None:
    found = scan(tmp_path / "a", pack(ESCAPES[name], kind), purpose).findings
    assert "tar-path" in {one.rule for one in found}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", LEAVES)
def test_link_out_of_a_model_is_found(tmp_path: Path, name: str, kind: int) -> None:
    content = pack([("m", FILE, ""), *LEAVES[name]], kind)
    (found,) = scan(tmp_path / "a", content, ScanPurpose.MODEL).findings
    assert found.rule == "tar-link"
    assert not scan(tmp_path / "a", content, ScanPurpose.DATA).findings


@pytest.mark.parametrize("kind", [*FORMATS, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("purpose", [ScanPurpose.MODEL, ScanPurpose.DATA])
def test_honest_archive_passes(tmp_path: Path, kind: int, purpose: ScanPurpose) -> None:
    entries = HONEST if kind != tarfile.USTAR_FORMAT else [*HONEST[:-2], HONEST[-1]]
    found = scan(tmp_path / "a", pack(entries, kind), purpose)
    assert (found.findings, found.unjudged) == ((), None)


def test_name_in_two_fields_is_that_of_tarfile(tmp_path: Path) -> None:
    header = bytearray(pack([("x", FILE, "")]))
    header[345:347] = b".."
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    with tarfile.open(fileobj=io.BytesIO(bytes(header))) as archive:
        assert archive.getnames() == ["../x"]
    found = scan(tmp_path / "a", bytes(header), ScanPurpose.DATA).findings
    assert [one.rule for one in found] == ["tar-path"]


@pytest.mark.parametrize("key", ["path", "linkpath"])
def test_pax_header_with_a_repeated_key_is_refused(tmp_path: Path, key: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"comment": f"\n12 {key}=ok\n13 {key}=../x"}
        archive.addfile(info)
    assert "repeated key" in str(scan(tmp_path / "a", stream.getvalue(), ScanPurpose.DATA).unjudged)


@pytest.mark.parametrize("name", ["a.py", "m/__init__.py", "m/x.PYC", "lib.so", "run.sh"])
def test_code_in_an_archive_of_a_model_is_found(tmp_path: Path, name: str) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("model.pkl", pickle.dumps([1.0]))
        archive.writestr(name, "print()\n")
    for content in (stream.getvalue(), pack([(name, FILE, "")])):
        found = scan(tmp_path / "a", content, ScanPurpose.MODEL).findings
        assert [(one.rule, one.subject) for one in found] == [("archive-code", name)]
        assert not scan(tmp_path / "a", content, ScanPurpose.DATA).findings
