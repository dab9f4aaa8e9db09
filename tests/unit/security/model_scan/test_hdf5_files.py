"""HDF5 weights and Keras networks pass, and are refused if they lie or hold code."""

from __future__ import annotations

from pathlib import Path

import pytest
from crafted_hdf5 import LYING_HDF5, LYING_KERAS, keras, layer
from crafted_native import FILES

from security.model_scan.report import Format, ScanStatus
from security.model_scan.scan import scan_file


@pytest.mark.parametrize(
    ("name", "format"),
    [("w.h5", Format.HDF5), ("norm.h5", Format.HDF5), ("norm.keras", Format.KERAS)],
)
def test_weights_and_networks_pass(name: str, format: Format) -> None:
    scan = scan_file(FILES / name)
    assert (scan.status, scan.format) == (ScanStatus.CLEAN, format), scan


def test_network_with_another_name_passes(tmp_path: Path) -> None:
    model = tmp_path / "model.keras"
    model.write_bytes(keras(layer(name="x")))
    assert scan_file(model).status is ScanStatus.CLEAN


@pytest.mark.parametrize("name", LYING_HDF5)
def test_hdf5_that_lies_or_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    model = tmp_path / "model.h5"
    model.write_bytes(LYING_HDF5[name])
    assert scan_file(model).status is not ScanStatus.CLEAN


@pytest.mark.parametrize("name", LYING_KERAS)
def test_network_with_code_or_files_is_refused(tmp_path: Path, name: str) -> None:
    model = tmp_path / "model.keras"
    model.write_bytes(LYING_KERAS[name])
    assert scan_file(model).status is not ScanStatus.CLEAN
