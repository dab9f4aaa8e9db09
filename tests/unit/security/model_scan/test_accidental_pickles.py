"""Texts and tables that start like a pickle are no finding; pickles in front of a text are."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from security.model_scan.limits import ScanLimits
from security.model_scan.report import ScanStatus
from security.model_scan.scan import open_model, scan_bystander

TEXTS = [
    b"carrier,origin\nUA,EWR\n",
    b"id,name\n1,a\n",
    b"count\nvalue\n12\n",
    b"cat\ndog\nbird\n",
    b"car\nbus\n.hidden\n",
    b"(x, y)\n1, 2\n",
    b"item\nprice\n",
    b"good\n",
    b"g00d\n",
    b"god 1\n",
    b"label\nF\n",
    "In a text of two bytes each\nI 1\n".encode("utf-16-le"),
    b"Load 12\n",
    b"r\xff\xff\xff\xff",
    b"\x82\x01",
]
HIDDEN = [
    b"cos\nsystem\n(S'true'\ntR.",
    b"(S'true'\nios\nsystem\n.",
    b"N0cos\nsystem\n(S'true'\ntRthe rest is no pickle",
    b"cos\nenviron\n(S'LD_PRELOAD'\nS'a'\nu.",
    # CPython's C machine ignores what follows a NUL in a number.
    b"I1\0x\n0cos\nsystem\n(S'true'\ntR.",
    b"I\0\n0cos\nsystem\n(S'true'\ntR.",
    b"F1\0x\n0cos\nsystem\n(S'true'\ntR.",
    b"Np1\0x\n0cos\nsystem\n(S'true'\ntR.",
    # Names that are allowed, with arguments or a state that are not.
    b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
    b"cdatetime\ntimezone\n(cdateutil.tz\ntzfile\n(S'/etc/passwd'\ntRtR.",
    b"Nr\xff\xff\x00\x000cos\nsystem\n(S'true'\ntR.",
]


def status(directory: Path, content: bytes) -> ScanStatus:
    """Scan content as a text beside a model."""
    path = directory / "text"
    path.write_bytes(content)
    descriptor = open_model(path)
    try:
        return scan_bystander(descriptor, ScanLimits()).status
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("content", TEXTS)
def test_text_that_only_starts_like_a_pickle_is_no_finding(tmp_path: Path, content: bytes) -> None:
    assert status(tmp_path, content) is ScanStatus.CLEAN


@pytest.mark.parametrize("content", HIDDEN)
def test_text_that_acts_as_a_pickle_is_found(tmp_path: Path, content: bytes) -> None:
    assert status(tmp_path, content) is ScanStatus.DANGEROUS


def test_random_bytes_are_no_finding(tmp_path: Path) -> None:
    source = random.Random(12)
    assert all(status(tmp_path, source.randbytes(300)) is ScanStatus.CLEAN for _ in range(400))
