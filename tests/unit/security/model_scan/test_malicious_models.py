"""Files that would run code when they are loaded are never clean, and never run here."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from crafted_containers import HIDDEN, WRAPS, torch_tensor, torch_zip
from crafted_pickles import BOMBS, CONTRADICTIONS, DANGEROUS, EXECUTING, TWO_FACED, Craft, evil

from security.model_scan.child import scan_in_child
from security.model_scan.report import ScanSeverity, ScanStatus
from security.model_scan.scan import scan_file

WRAPPED: dict[str, Craft] = {
    f"{name}-of-protocol-{protocol}": (
        lambda marker, wrap=wrap, protocol=protocol: wrap(pickle.dumps(evil(marker), protocol))
    )
    for name, wrap in WRAPS.items()
    for protocol in (0, 2, 4)
}
MALICIOUS = {**CONTRADICTIONS, **EXECUTING, **DANGEROUS, **TWO_FACED, **WRAPPED, **HIDDEN}


@pytest.mark.parametrize("name", MALICIOUS)
def test_malicious_file_is_refused_and_does_not_run(tmp_path: Path, name: str) -> None:
    marker, model = tmp_path / "marker", tmp_path / "model"
    model.write_bytes(MALICIOUS[name](str(marker)))
    scan = scan_file(model)
    assert scan.status is not ScanStatus.CLEAN
    assert not marker.exists()


@pytest.mark.process
@pytest.mark.parametrize("name", sorted(MALICIOUS)[::6])
def test_malicious_file_is_refused_by_the_child_as_well(tmp_path: Path, name: str) -> None:
    marker, model = tmp_path / "marker", tmp_path / "model"
    model.write_bytes(MALICIOUS[name](str(marker)))
    assert scan_in_child(model) == scan_file(model)
    assert not marker.exists()


@pytest.mark.parametrize("name", EXECUTING)
def test_payload_is_alive_and_is_found_by_name(tmp_path: Path, name: str) -> None:
    marker, model = tmp_path / "marker", tmp_path / "model"
    content = EXECUTING[name](str(marker))
    model.write_bytes(content)
    assert ScanSeverity.HIGH in {one.severity for one in scan_file(model).findings}
    assert not marker.exists()
    if name.startswith("new-object"):
        return  # starts a program, which this test does not
    try:
        pickle.loads(content)
    except (TypeError, AttributeError):
        assert name == "build-setstate"  # not a class whose attributes can be set
        return
    assert marker.exists()


@pytest.mark.parametrize("name", ["joblib-plain", "appended", "tensors-as-pickle"])
def test_second_reading_is_alive(tmp_path: Path, name: str) -> None:
    marker = tmp_path / "marker"
    stream = io.BytesIO(MALICIOUS[name](str(marker)))
    pickle.load(stream)
    if name == "appended":
        pickle.load(stream)
    assert marker.exists()


def test_what_joblib_reads_without_padding_is_what_the_plain_loader_would_run(
    tmp_path: Path,
) -> None:
    marker = tmp_path / "marker"
    value = joblib.load(io.BytesIO(TWO_FACED["joblib-plain"](str(marker))))
    assert isinstance(value, np.ndarray)
    assert not marker.exists()


@pytest.mark.process
@pytest.mark.parametrize("name", BOMBS)
def test_bomb_of_a_few_bytes_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    model = tmp_path / "model"
    model.write_bytes(BOMBS[name])
    scan = scan_file(model)
    assert scan.status is not ScanStatus.CLEAN
    assert scan_in_child(model) == scan


@pytest.mark.parametrize(
    "extra", ["model/data/1", "model/code/x.py", "other/x", "model/data/0.pkl"]
)
def test_member_that_the_tensors_do_not_ask_for_is_refused(tmp_path: Path, extra: str) -> None:
    model = tmp_path / "model.pt"
    model.write_bytes(torch_zip(torch_tensor(), {extra: pickle.dumps(evil("x"))}))
    assert scan_file(model).status is ScanStatus.UNJUDGED


def test_every_name_of_a_pickle_is_found(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.write_bytes(b"cos\nsystem\n0cposix\nsystem\n0cos\nsystem\n.")
    found = [one.subject for one in scan_file(model).findings]
    assert found == ["os.system", "posix.system"]
