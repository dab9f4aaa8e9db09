"""Allowed names pass with what libraries write, and are found with harmful arguments."""

from __future__ import annotations

import argparse
import array
import datetime
import fractions
import functools
import pathlib
import pickle
import re
import types
import uuid
import zoneinfo
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from crafted_arguments import ASTRAY, DEEP, HARMFUL, HONEST, arrow, distribution, run_when_loaded
from crafted_pickles import whole

from security.model_scan.report import ScanStatus
from security.model_scan.scan import scan_file


@pytest.mark.parametrize("name", [*HARMFUL, *ASTRAY])
def test_harmful_arguments_are_refused(tmp_path: Path, name: str) -> None:
    model = tmp_path / "model"
    model.write_bytes({**HARMFUL, **ASTRAY}[name])
    assert scan_file(model).status is not ScanStatus.CLEAN


@pytest.mark.parametrize("name", DEEP)
def test_objects_nested_deeply_are_found(tmp_path: Path, name: str) -> None:
    model = tmp_path / "model"
    model.write_bytes(DEEP[name])
    scan = scan_file(model)
    assert scan.status is ScanStatus.DANGEROUS
    assert "nested too deeply" in (scan.unjudged or "")


def test_template_is_alive(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(KeyError):
        pickle.loads(run_when_loaded(str(marker)))
    assert marker.exists()


def test_honest_template_and_lengths_pass(tmp_path: Path) -> None:
    model = tmp_path / "model"
    for content in (distribution(HONEST), arrow(2, 24), arrow(1, 24, offset=1)):
        model.write_bytes(whole(content))
        assert scan_file(model).status is ScanStatus.CLEAN


ZONES = ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]
HONEST_VALUES: dict[str, Any] = {
    "zones": [zoneinfo.ZoneInfo(zone) for zone in ZONES],
    "zoned-times": [datetime.datetime.now(zoneinfo.ZoneInfo(zone)) for zone in ZONES],
    "zoned-series": [pd.Series(pd.date_range("2020", periods=3, tz=zone)) for zone in ZONES],
    "zoned-index": pd.date_range("2020", periods=3, tz="Europe/Berlin"),
    "paths": [pathlib.Path("/a/b"), pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("c:/a")],
    "name-spaces": [argparse.Namespace(a=pathlib.Path("x")), types.SimpleNamespace(a=[1])],
    "uuid": uuid.UUID(int=5),
    "fractions": fractions.Fraction(-3, 4),
    "patterns": [re.compile("a+b", re.IGNORECASE), re.compile(b"x")],
    "partial": functools.partial(np.clip, a_min=0, a_max=1),
    "typed-array": array.array("d", [1, 2]),
    "continuous": [scipy.stats.uniform(0, 1), scipy.stats.loguniform(1, 2), scipy.stats.beta(1, 2)],
    "discrete": [scipy.stats.randint(1, 9), scipy.stats.poisson(3), scipy.stats.binom(5, 0.5)],
    "records": np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "periods": [pd.Period("2020", "M"), pd.Interval(0, 1), pd.Timedelta("1D"), pd.DateOffset(2)],
    "sparse-series": pd.Series([0, 1]).astype("Sparse[int]"),
    "none-class": [type(None), Ellipsis],
}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("name", HONEST_VALUES)
def test_what_libraries_write_passes(tmp_path: Path, name: str, protocol: int) -> None:
    model = tmp_path / "model"
    model.write_bytes(pickle.dumps(HONEST_VALUES[name], protocol))
    scan = scan_file(model)
    assert scan.status is ScanStatus.CLEAN, scan
