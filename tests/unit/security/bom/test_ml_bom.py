"""The ML-BOM: reproducible, with the whole model card, and with every gap named."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from security.bom.cyclonedx import BillError
from security.bom.ml_bom import write_model_bill
from security.bom.model_description import (
    ComponentRole,
    Metric,
    ModelCard,
    ModelDescription,
    ModelMaterial,
)
from tests.unit.security.bom.bill_profile import (
    BillKind,
    ProfileError,
    check_bill,
    find_faults,
    find_model_faults,
)
from tests.unit.security.bom.bill_samples import MODEL, A, B, C, component, properties

ROOT = Path(__file__).parents[4]
WRITE = """
import sys
from security.bom.ml_bom import write_model_bill
from tests.unit.security.bom.bill_samples import MODEL
sys.stdout.buffer.write(write_model_bill(MODEL, tool_version="1"))
"""


def write(described: ModelDescription = MODEL, **changes: Any) -> dict[str, Any]:
    """Write a bill, check it and read it."""
    content = write_model_bill(dataclasses.replace(described, **changes), tool_version="1")
    return check_bill(content, BillKind.MODEL)


def card(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["metadata"]["component"]["modelCard"]
    return found


def test_same_model_gives_the_same_bytes_in_any_order() -> None:
    other = dataclasses.replace(
        MODEL, materials=MODEL.materials[::-1], metrics=MODEL.metrics[::-1] + MODEL.metrics
    )

    assert write_model_bill(other, tool_version="1") == write_model_bill(MODEL, tool_version="1")


@pytest.mark.process
@pytest.mark.parametrize("seed", ["1", "2"])
def test_other_processes_write_the_same_bytes(seed: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITE],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}", "LC_ALL": "C"},
        capture_output=True,
        check=True,
    )

    assert done.stdout == write_model_bill(MODEL, tool_version="1")


def test_card_states_what_is_known() -> None:
    found = card(write())

    assert found["modelParameters"] == {
        "approach": {"type": "supervised"},
        "task": "classification",
        "modelArchitecture": "sklearn.linear_model.LogisticRegression",
        "datasets": [{"ref": "data:train.csv"}],
    }
    assert found["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "f1", "value": "0.5"},
        {"type": "f1", "value": "0.25", "slice": "test.night"},
    ]
    assert found["considerations"] == {
        "users": ["dispatchers"],
        "ethicalConsiderations": [
            {"name": "unfair", "mitigationStrategy": "looked at by carrier"},
        ],
    }
    assert properties(found, "parameter:params.yaml:train.seed") == ["1"]
    assert properties(found, "card:not-stated") == []


def test_card_of_nothing_names_every_gap() -> None:
    nothing = ModelDescription(MODEL.model, ModelCard())

    assert properties(card(write(nothing)), "card:not-stated") == [
        "algorithm",
        "considerations",
        "datasets",
        "metrics",
        "parameters",
        "task",
    ]


def test_data_have_digests_and_a_source_without_its_secrets() -> None:
    document = write()

    found = component(document, "data:train.csv")
    assert found["hashes"] == [{"alg": "SHA-256", "content": B}]
    assert properties(found, "dvc:md5") == ["e" * 32]
    assert found["data"][0]["contents"]["url"] == "https://x.invalid/t.csv"
    assert "key=1" not in json.dumps(document)


def test_data_without_a_source_are_found_by_their_path() -> None:
    document = write(materials=(ModelMaterial(ComponentRole.DATA, "a b/@ü.csv", A),))

    (found,) = document["components"]
    assert found["data"][0]["contents"]["url"] == "a%20b/%40%C3%BC.csv"


def test_model_of_several_files_has_the_sha256_of_each() -> None:
    model = ModelMaterial(ComponentRole.MODEL, "m", A, "d" * 32 + ".dir", (("w/1", B), ("w/2", C)))

    found = write(model=model)["metadata"]["component"]
    assert [one["hashes"][0]["content"] for one in found["components"]] == [B, C]
    assert properties(found, "digest") == ["of its listing"]


def test_statements_are_linked_by_digest() -> None:
    (link,) = write()["metadata"]["component"]["externalReferences"]

    assert link["type"] == "attestation"
    assert link["url"] == f"urn:ml-assets:statement:sha256:{B}"
    assert link["hashes"] == [{"alg": "SHA-256", "content": B}]
    assert "externalReferences" not in write(provenance=())["metadata"]["component"]


@pytest.mark.parametrize("digest", ["", "a" * 32, "A" * 64, "x" * 64, f"{A}\n"])
def test_link_to_what_is_no_sha256_is_refused(digest: str) -> None:
    with pytest.raises((BillError, ProfileError)):
        write(provenance=(digest,))


def test_what_was_not_read_makes_the_bill_incomplete() -> None:
    remote = ModelMaterial(
        ComponentRole.DATA, "s3://bucket/a.csv", not_read="lies outside of this machine"
    )
    document = write(materials=(remote,))

    (found,) = document["components"]
    assert "hashes" not in found and properties(found, "not-read")
    assert document["compositions"][0]["aggregate"] == "incomplete"


def test_graph_leads_from_the_model_to_what_it_was_made_from() -> None:
    graph = {one["ref"]: one.get("dependsOn", []) for one in write()["dependencies"]}

    assert graph["machine-learning-model:m.onnx"] == ["data:train.csv", "file:train.py"]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "", "much"])
def test_metric_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(ProfileError, match="15"):
        write(metrics=(Metric("f1", value),))


def test_hostile_texts_are_escaped_everywhere() -> None:
    evil = "a\x1b[2J\u202e\nb"
    model = dataclasses.replace(MODEL.model, description=evil, labels=(evil,), names=(evil,))
    document = write(
        model=model,
        card=ModelCard(task=evil, algorithm=evil, users=(evil,), risks=((evil, evil),)),
        parameters=((evil, evil),),
        metrics=(Metric(evil, "1", evil),),
        materials=(ModelMaterial(ComponentRole.FILE, "\udcff\x00", A),),
    )

    assert "\\u001b" not in json.dumps(document) and "\\u202e" in json.dumps(document)


@settings(max_examples=50, deadline=None)
@given(st.text(), st.text(), st.text())
def test_any_texts_stay_within_the_profile(one: str, two: str, three: str) -> None:
    """The profile is the writer's promise, whatever a project's files are called and say."""
    model = dataclasses.replace(MODEL.model, description=one, labels=(two,), names=(three,))
    described = dataclasses.replace(
        MODEL,
        model=model,
        card=ModelCard(task=one, algorithm=two, users=(three,), risks=((one, two),), licence=three),
        materials=(
            ModelMaterial(
                ComponentRole.DATA, f"a{one}", A, source=f"https://{two}@x.invalid/{three}"
            ),
        ),
        parameters=((one, two),),
        facts=((two, three),),
    )
    document = json.loads(write_model_bill(described, tool_version="1"))
    assert [*find_faults(document), *find_model_faults(document)] == []


def test_two_materials_that_look_alike_are_refused() -> None:
    with pytest.raises(BillError, match="two materials with one name"):
        write(
            materials=(
                ModelMaterial(ComponentRole.FILE, "a  b", A),
                ModelMaterial(ComponentRole.FILE, "a b", B),
            )
        )


def test_licence_of_the_model_is_listed() -> None:
    (found,) = write()["metadata"]["component"]["licenses"]
    assert found["license"]["id"] == "CC0-1.0"
