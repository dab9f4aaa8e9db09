"""Configuration that makes a loader run code is found; that of well-known libraries passes."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from companion_documents import BAD, GOOD

from security.gates.model.model_file import ModelFileGate
from security.model_scan.limits import ScanLimits
from security.model_scan.report import Scan, ScanPurpose, ScanStatus
from security.model_scan.scan import open_model, scan_descriptor, scan_file
from tests.unit.security.gates.model.test_data_and_models import tar, task_of


def scan(directory: Path, content: bytes, purpose: ScanPurpose) -> Scan:
    """Scan content as a companion of a model."""
    path = directory / "document"
    path.write_bytes(content)
    descriptor = open_model(path)
    return scan_descriptor(descriptor, ScanLimits(), purpose)


def tensors(metadata: dict[str, str]) -> bytes:
    """Write a safetensors file with one tensor."""
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"__metadata__": metadata, "w": entry}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


@pytest.mark.parametrize("name", BAD)
def test_document_that_makes_a_loader_run_code_is_found(tmp_path: Path, name: str) -> None:
    found = scan(tmp_path, BAD[name], ScanPurpose.CONFIGURATION)
    assert found.status is ScanStatus.DANGEROUS
    assert all(one.subject for one in found.findings)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("purpose", [ScanPurpose.CONFIGURATION, ScanPurpose.BYSTANDER])
def test_document_of_a_library_passes(tmp_path: Path, name: str, purpose: ScanPurpose) -> None:
    assert scan(tmp_path, GOOD[name], purpose).status is ScanStatus.CLEAN


@pytest.mark.parametrize(
    "name", ["hydra", "hydra in YAML", "keras lambda", "jsonpickle", "template"]
)
def test_document_is_found_in_a_text_of_any_name(tmp_path: Path, name: str) -> None:
    assert scan(tmp_path, BAD[name], ScanPurpose.BYSTANDER).status is ScanStatus.DANGEROUS


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"{" * 100_000, b"a: [1, 2", b"\xff\xfe\x00", b"a: *missing\n"]
)
def test_configuration_that_cannot_be_parsed_is_unjudged(tmp_path: Path, content: bytes) -> None:
    assert scan(tmp_path, content, ScanPurpose.CONFIGURATION).status is ScanStatus.UNJUDGED


def test_many_aliases_cost_nothing(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    found = scan(tmp_path, "\n".join(lines).encode(), ScanPurpose.CONFIGURATION)
    assert found.status is ScanStatus.CLEAN


@pytest.mark.parametrize(
    "text",
    [
        BAD["hydra"].decode(),
        "{'_target_': 'os.system'}",
        "__import__('os').system('id')",
        "!!python/object/apply:os.system ['id']",
        "a: [1, !!python/name:os.system]",
        "a: !<tag:yaml.org,2002:python/object/new:os.system> [id]",
    ],
)
def test_metadata_of_safetensors_that_is_evaluated_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").write_bytes(tensors({"config": text}))
    assert scan_file(tmp_path / "a").status is ScanStatus.DANGEROUS
    (tmp_path / "b").write_bytes(tensors({"format": "pt", "config": GOOD["keras 2"].decode()}))
    assert scan_file(tmp_path / "b").status is ScanStatus.CLEAN


@pytest.mark.parametrize(("name", "clean"), [("hydra in YAML", False), ("nemo", True)])
def test_configuration_in_an_archive_counts(tmp_path: Path, name: str, clean: bool) -> None:
    document = {**BAD, **GOOD}[name]
    archive = tar({"./model_config.yaml": document, "weights": tensors({})}, "w:gz")
    (tmp_path / "model.nemo").write_bytes(archive)
    assert (scan_file(tmp_path / "model.nemo").status is ScanStatus.CLEAN) is clean


@pytest.mark.process
@pytest.mark.parametrize("declared", [("m",), ()])
@pytest.mark.parametrize("path", ["m/config.json", "m/2_Dense/config.json"])
def test_configuration_beside_weights_counts_in_any_directory(
    tmp_path: Path, declared: tuple[str, ...], path: str
) -> None:
    files = {path: BAD["sentence-transformers dense"], "m/model.safetensors": tensors({})}
    report = ModelFileGate(declared=declared).judge(task_of(tmp_path, files, "m"))
    (finding,) = report.findings
    assert (finding.path, finding.names[0]) == (path, "config-target:os.abort")


@pytest.mark.process
def test_honest_directory_passes(tmp_path: Path) -> None:
    files = {f"m/{number}/config.json": content for number, content in enumerate(GOOD.values())}
    files = {one.replace("json", "yaml"): content for one, content in files.items()}
    files["m/model.safetensors"] = tensors({"format": "pt"})
    report = ModelFileGate(declared=("m",)).judge(task_of(tmp_path, files, "m"))
    assert (report.findings, report.unjudged) == ((), None)


@pytest.mark.process
def test_documents_without_weights_are_data(tmp_path: Path) -> None:
    files = {"d/a.json": BAD["hydra"], "d/b.yaml": BAD["hydra in YAML"]}
    report = ModelFileGate(declared=()).judge(task_of(tmp_path, files, "d"))
    assert (report.findings, report.unjudged) == ((), None)
