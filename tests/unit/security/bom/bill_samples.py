"""Sample bills: of a small environment and of a model, and how one is changed to break a rule."""

import copy
import json
from typing import Any

from security.bom.cyclonedx import derive_serial
from security.bom.ml_bom import write_model_bill
from security.bom.model_description import (
    ComponentRole,
    Metric,
    ModelCard,
    ModelDescription,
    ModelMaterial,
)
from security.bom.sbom import (
    EnvironmentDescription,
    EnvironmentPackage,
    LockFileDigest,
    write_environment_bill,
)

A, B, C = "a" * 64, "b" * 64, "c" * 64

ENVIRONMENT = EnvironmentDescription(
    project="flights",
    version="1.0",
    implementation="cpython",
    python="3.11.7",
    packages=(
        EnvironmentPackage(
            "numpy", "2.3.0", ("run.lock",), (f"sha256:{A}", f"sha256:{B}"), True, ("BSD-3-Clause",)
        ),
        EnvironmentPackage("numpy", "2.2.0", ("old.lock",), (f"sha256:{C}",)),
        EnvironmentPackage("pandas", "3.0", (), (), True, (), ("numpy", "absent")),
    ),
    lock_files=(LockFileDigest("run.lock", A), LockFileDigest("old.lock", B)),
)

MODEL = ModelDescription(
    model=ModelMaterial(
        ComponentRole.MODEL,
        "m.onnx",
        A,
        "d" * 32,
        stage="train",
        made_from=("train.csv", "train.py"),
    ),
    card=ModelCard(
        task="classification",
        approach="supervised",
        algorithm="sklearn.linear_model.LogisticRegression",
        users=("dispatchers",),
        risks=(("unfair", "looked at by carrier"),),
        licence="CC0-1.0",
    ),
    materials=(
        ModelMaterial(
            ComponentRole.DATA, "train.csv", B, "e" * 32, source="https://u:p@x.invalid/t.csv?key=1"
        ),
        ModelMaterial(ComponentRole.FILE, "train.py", C),
    ),
    parameters=(("params.yaml:train.seed", "1"),),
    metrics=(Metric("f1", "0.5"), Metric("f1", "0.25", "test.night")),
    facts=(("metrics-file", f"m.json sha256:{A}"),),
    provenance=(B,),
)


def environment_document() -> dict[str, Any]:
    """Return the sample of an environment, to be changed."""
    document: dict[str, Any] = json.loads(write_environment_bill(ENVIRONMENT, tool_version="1"))
    return document


def model_document() -> dict[str, Any]:
    """Return the sample of a model, to be changed."""
    document: dict[str, Any] = json.loads(write_model_bill(MODEL, tool_version="1"))
    return document


def serialize(document: dict[str, Any], *, serial: bool = True) -> bytes:
    """Write a changed bill, as careful as who wants it to be believed."""
    changed = copy.deepcopy(document)
    if serial:
        changed["serialNumber"] = derive_serial(changed)
    return json.dumps(changed).encode()


def component(document: dict[str, Any], ref: str) -> dict[str, Any]:
    """Return a component by its reference."""
    found: dict[str, Any] = next(one for one in document["components"] if one["bom-ref"] == ref)
    return found


def properties(element: dict[str, Any], name: str) -> list[str]:
    """Return the values of a property of ours."""
    found = element.get("properties", [])
    return [one["value"] for one in found if one["name"] == f"ml-assets:{name}"]
