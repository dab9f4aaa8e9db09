"""Models in the formats of single libraries pass, and are refused if their numbers lie."""

from __future__ import annotations

import io
import pickle
import random
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from crafted_native import FILES, LYING_NATIVE, NATIVE
from crafted_pickles import evil

from security.model_scan.child import scan_in_child
from security.model_scan.formats.native_formats import NATIVE as NATIVE_FORMATS
from security.model_scan.lz4_frame import MAGIC
from security.model_scan.report import Format, ScanStatus
from security.model_scan.scan import scan_file

REAL = sorted(one.name for one in FILES.iterdir() if one.suffix != ".md")


def test_documentation_lists_the_registered_formats() -> None:
    text = (Path(__file__).parents[4] / "docs/reference/gates.md").read_text()
    assert [
        one.title for one in NATIVE_FORMATS if f"| {one.title} | {one.refused} |" not in text
    ] == []


@pytest.mark.parametrize("name", REAL)
def test_file_of_a_real_library_passes(name: str) -> None:
    scan = scan_file(FILES / name)
    assert scan.status is ScanStatus.CLEAN, scan


@pytest.mark.parametrize("name", NATIVE)
def test_native_format_passes(tmp_path: Path, name: str) -> None:
    model = tmp_path / "model"
    model.write_bytes(NATIVE[name])
    scan = scan_file(model)
    assert scan.status is ScanStatus.CLEAN, scan
    assert name.startswith(scan.format.value)


@pytest.mark.process
@pytest.mark.parametrize("name", ["lightgbm", "xgboost-ubj", "catboost", "tflite"])
def test_child_says_the_same_of_native_formats(tmp_path: Path, name: str) -> None:
    model = tmp_path / "model"
    model.write_bytes(NATIVE[name])
    assert scan_in_child(model) == scan_file(model)


@pytest.mark.parametrize("name", LYING_NATIVE)
def test_native_format_that_lies_is_refused(tmp_path: Path, name: str) -> None:
    model = tmp_path / "model"
    model.write_bytes(LYING_NATIVE[name])
    assert scan_file(model).status is not ScanStatus.CLEAN


def lz4(content: bytes, *, stored: bool = True) -> bytes:
    """Write an LZ4 frame of stored blocks, or of one block of literals."""
    frame = MAGIC + bytes([0x60, 0x70, 0])
    for start in range(0, len(content), 1 << 20):
        block = content[start : start + (1 << 20)]
        if stored:
            frame += struct.pack("<I", len(block) | 1 << 31) + block
        else:
            extra = len(block) - 15
            block = b"\xf0" + b"\xff" * (extra // 255) + bytes([extra % 255]) + block
            frame += struct.pack("<I", len(block)) + block
    return frame + bytes(4)


@pytest.mark.parametrize("stored", [True, False])
def test_lz4_is_unpacked(tmp_path: Path, stored: bool) -> None:
    model, marker = tmp_path / "model", tmp_path / "marker"
    model.write_bytes(lz4(pickle.dumps(np.arange(200_000.0)), stored=stored))
    scan = scan_file(model)
    assert (scan.status, scan.format) == (ScanStatus.CLEAN, Format.LZ4), scan
    model.write_bytes(lz4(pickle.dumps([b"x" * 300, evil(str(marker))]), stored=stored))
    assert scan_file(model).status is ScanStatus.DANGEROUS


def test_lz4_with_copies_is_unpacked(tmp_path: Path) -> None:
    raw = pickle.dumps(b"ab" * 500)
    start = raw.index(b"abab") + 2
    packed = bytes([0xF0 | 15, start - 15]) + raw[:start] + struct.pack("<H", 2)
    packed += b"\xff" * 3 + bytes([998 - 4 - 15 - 765])
    packed += bytes([(len(raw) - start - 998) << 4]) + raw[start + 998 :]
    model = tmp_path / "model"
    model.write_bytes(MAGIC + b"\x60\x40\0" + struct.pack("<I", len(packed)) + packed + bytes(4))
    assert scan_file(model).status is ScanStatus.CLEAN


BAD_LZ4 = {
    "copy from before the start": b"\x10a\x05\x00",
    "literals beyond": b"\xf0\xff\xff",
    "endless length": b"\xf0" + b"\xff" * 60_000,
    "bomb": b"\x1fa\x01\x00" + b"\xff" * 60_000 + b"\0",
}


@pytest.mark.parametrize("name", BAD_LZ4)
def test_damaged_lz4_is_refused(tmp_path: Path, name: str) -> None:
    block = BAD_LZ4[name]
    model = tmp_path / "model"
    model.write_bytes(MAGIC + b"\x60\x40\0" + struct.pack("<I", len(block)) + block + bytes(4))
    assert scan_file(model).status is ScanStatus.UNJUDGED


MUTATED = {**NATIVE, **{name: (FILES / name).read_bytes() for name in REAL}}


@pytest.mark.parametrize("name", MUTATED)
def test_changed_bytes_neither_crash_nor_hang_the_scanner(tmp_path: Path, name: str) -> None:
    content, model = MUTATED[name], tmp_path / "model"
    chance = random.Random(name)
    begin = time.monotonic()
    for _ in range(60):
        changed = io.BytesIO(content)
        for _ in range(chance.choice((1, 1, 2, 8))):
            changed.seek(chance.randrange(len(content)))
            changed.write(bytes([chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))]))
        model.write_bytes(changed.getvalue()[: chance.choice((len(content), len(content) // 2))])
        assert "scan failed" not in (scan_file(model).unjudged or "")
    assert time.monotonic() - begin < 120
