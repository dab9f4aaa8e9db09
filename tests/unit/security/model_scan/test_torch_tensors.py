"""A tensor passes if its memory is in the file, and is refused if its description lies."""

from __future__ import annotations

from pathlib import Path

import pytest
from crafted_tensors import GOOD, LYING

from security.model_scan.report import Format, ScanStatus
from security.model_scan.scan import scan_file


@pytest.mark.parametrize("name", GOOD)
def test_tensor_inside_its_storage_passes(tmp_path: Path, name: str) -> None:
    model = tmp_path / "model.pt"
    model.write_bytes(GOOD[name])
    scan = scan_file(model)
    assert (scan.status, scan.format) == (ScanStatus.CLEAN, Format.TORCH), scan


@pytest.mark.parametrize("name", LYING)
def test_tensor_that_lies_is_refused(tmp_path: Path, name: str) -> None:
    model = tmp_path / "model.pt"
    model.write_bytes(LYING[name])
    assert scan_file(model).status is not ScanStatus.CLEAN
