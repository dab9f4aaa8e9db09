"""The profile of bills: it notices each broken rule. And the schema, which refuses other JSON."""

import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from security.bom.bill import validate_bill
from security.bom.cyclonedx import BillError
from tests.unit.security.bom.bill_profile import BillKind, ProfileError, check_bill
from tests.unit.security.bom.bill_samples import (
    component,
    environment_document,
    model_document,
    serialize,
)

Document = dict[str, Any]
Change = Callable[[Document], object]
NUMPY = "pkg:pypi/numpy@2.3.0"
PANDAS = "pkg:pypi/pandas@3.0"


def subject(document: Document) -> Document:
    found: Document = document["metadata"]["component"]
    return found


def card(document: Document) -> Document:
    found: Document = subject(document)["modelCard"]
    return found


def without(element: Document, name: str) -> None:
    """Drop a property of ours."""
    kept = [one for one in element["properties"] if one["name"] != f"ml-assets:{name}"]
    element["properties"] = kept


def refused(document: Document, kind: BillKind, *, serial: bool = True) -> str:
    with pytest.raises(ProfileError) as caught:
        check_bill(serialize(document, serial=serial), kind)
    return f" {caught.value}"


def test_sample_bills_are_within_the_profile() -> None:
    for document, kind in (
        (environment_document(), BillKind.ENVIRONMENT),
        (model_document(), BillKind.MODEL),
    ):
        assert check_bill(serialize(document), kind) == document


def test_digest_is_that_of_the_bytes() -> None:
    content = serialize(environment_document())
    digest = hashlib.sha256(content).hexdigest()
    assert validate_bill(content).sha256 == digest


ANY: dict[str, tuple[str, Change]] = {
    "control character in a name": ("1", lambda d: subject(d).update(name="a\x1b[2Jb")),
    "text that turns around": ("1", lambda d: subject(d).update(description="a\u202eb")),
    "endless text": ("1", lambda d: subject(d).update(description="a" * 10_001)),
    "nothing that made it": ("3", lambda d: d["metadata"].pop("tools")),
    "about nothing": ("3", lambda d: d["metadata"].pop("component")),
    "component without a version": ("4", lambda d: d["components"][0].pop("version")),
    "empty name": ("4", lambda d: d["components"][0].update(name="")),
    "reference twice": ("5", lambda d: d["components"].append({**d["components"][0], "x": 0})),
    "loose reference": ("5", lambda d: d["dependencies"][0].update(dependsOn=["nowhere"])),
    "component outside the graph": ("5", lambda d: d["dependencies"].pop()),
    "address with a password": (
        "6",
        lambda d: subject(d).update(
            externalReferences=[{"type": "website", "url": "https://u:p@x.invalid/"}]
        ),
    ),
    "address with a token": (
        "6",
        lambda d: subject(d).update(
            externalReferences=[{"type": "website", "url": "https://x.invalid/?token=1"}]
        ),
    ),
    "address of a Git host with a user": (
        "6",
        lambda d: subject(d).update(externalReferences=[{"type": "vcs", "url": "me:pw@x:y"}]),
    ),
    "password in a text": (
        "6",
        lambda d: subject(d).update(description="fetched from https://u:p@x.invalid/ by hand"),
    ),
    "silent about what is missing": ("7", lambda d: d.pop("compositions")),
}


@pytest.mark.parametrize("name", ANY)
def test_rule_of_every_bill_is_enforced(name: str) -> None:
    rule, change = ANY[name]
    document = environment_document()
    change(document)
    for one in document["components"]:
        if one.pop("x", None) == 0:
            one["description"] = "another"

    assert f" {rule}: " in refused(document, BillKind.ENVIRONMENT)


def test_changed_bill_cannot_keep_its_serial_number() -> None:
    document = environment_document()
    component(document, PANDAS)["licenses"] = [{"license": {"id": "MIT"}}]

    assert " 2: " in refused(document, BillKind.ENVIRONMENT, serial=False)


PACKAGES: dict[str, tuple[str, Change]] = {
    "no interpreter": (
        "8",
        lambda d: component(d, "interpreter:cpython").update(type="application"),
    ),
    "another name in the package URL": (
        "9",
        lambda d: component(d, PANDAS).update(purl="pkg:pypi/pandaz@3.0"),
    ),
    "another version in the package URL": (
        "9",
        lambda d: component(d, PANDAS).update(purl="pkg:pypi/pandas@3.1"),
    ),
    "no package URL": ("9", lambda d: component(d, PANDAS).pop("purl")),
    "neither locked nor installed": (
        "10",
        lambda d: without(component(d, PANDAS), "package:state"),
    ),
    "locked without hashes": ("10", lambda d: component(d, NUMPY).pop("externalReferences")),
    "md5 for a sha256": (
        "10",
        lambda d: component(d, NUMPY)["externalReferences"][0].update(hashes=[]),
    ),
    "no licence, in silence": ("10", lambda d: component(d, NUMPY).pop("licenses")),
    "other version, in silence": ("11", lambda d: without(component(d, NUMPY), "package:other")),
}


@pytest.mark.parametrize("name", PACKAGES)
def test_rule_of_environments_is_enforced(name: str) -> None:
    rule, change = PACKAGES[name]
    document = environment_document()
    change(document)

    assert f" {rule}: " in refused(document, BillKind.ENVIRONMENT)


def lie_about(part: str) -> Change:
    return lambda d: card(d)["properties"].append(
        {"name": "ml-assets:card:not-stated", "value": part}
    )


MODELS: dict[str, tuple[str, Change]] = {
    "not about a model": ("12", lambda d: subject(d).update(type="library")),
    "no model card": ("12", lambda d: subject(d).pop("modelCard")),
    "md5 for a sha256": (
        "12",
        lambda d: subject(d).update(hashes=[{"alg": "SHA-256", "content": "a" * 32}]),
    ),
    "no task, in silence": ("13", lambda d: card(d)["modelParameters"].pop("task")),
    "no metrics, in silence": ("13", lambda d: card(d).pop("quantitativeAnalysis")),
    "no considerations, in silence": ("13", lambda d: card(d).pop("considerations")),
    "no parameters, in silence": (
        "13",
        lambda d: without(card(d), "parameter:params.yaml:train.seed"),
    ),
    "task stated and missed": ("13", lie_about("task")),
    "data set elsewhere": (
        "13",
        lambda d: card(d)["modelParameters"].update(datasets=[{"ref": "file:train.py"}]),
    ),
    "material without sha256": ("14", lambda d: component(d, "file:train.py").pop("hashes")),
    "data without a source": (
        "14",
        lambda d: component(d, "data:train.csv")["data"][0].pop("contents"),
    ),
    "metric that is no number": (
        "15",
        lambda d: card(d)["quantitativeAnalysis"]["performanceMetrics"][0].update(value="nan"),
    ),
    "metric without a name": (
        "15",
        lambda d: card(d)["quantitativeAnalysis"]["performanceMetrics"][0].pop("type"),
    ),
    "link to another statement": (
        "16",
        lambda d: subject(d)["externalReferences"][0].update(
            url=f"urn:ml-assets:statement:sha256:{'0' * 64}"
        ),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_rule_of_models_is_enforced(name: str) -> None:
    rule, change = MODELS[name]
    document = model_document()
    change(document)

    assert f" {rule}: " in refused(document, BillKind.MODEL)


def test_bill_of_one_kind_does_not_pass_for_the_other() -> None:
    assert " 8: " in refused(model_document(), BillKind.ENVIRONMENT)
    assert " 12: " in refused(environment_document(), BillKind.MODEL)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(extra=1),
        lambda d: d.update(specVersion="1.7"),
        lambda d: d.pop("bomFormat"),
        lambda d: d.update(components={}),
        lambda d: d["metadata"].update(component=[]),
        lambda d: component(d, NUMPY)["licenses"][0]["license"].update(id="No-Such-Licence"),
    ],
)
def test_what_is_not_cyclonedx_is_refused(change: Change) -> None:
    document = environment_document()
    change(document)
    with pytest.raises(BillError, match="not CycloneDX 1.6"):
        validate_bill(json.dumps(document).encode())


@pytest.mark.parametrize("module", ["cyclonedx.validation.json", "cyclonedx.schema"])
def test_missing_validator_is_an_error_and_no_pass(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BillError, match="could not validate") as caught:
        validate_bill(serialize(model_document()))
    assert "reinstall" in caught.value.hint


def test_message_about_hostile_content_is_one_printable_line() -> None:
    document = environment_document()
    document["\x1b[2J"] = 1
    with pytest.raises(BillError) as caught:
        validate_bill(json.dumps(document).encode())
    assert caught.value.message.isprintable() and len(caught.value.message) < 700
    assert caught.value.exit_code == 3 and caught.value.hint


@pytest.mark.parametrize("place", ["components", "metadata", "nested", "dependencies"])
def test_unknown_property_is_found_wherever_it_hides(place: str) -> None:
    document = environment_document()
    hidden = {"type": "file", "name": "a", "version": "1", "bom-ref": "a", "unknown": 1}
    match place:
        case "components":
            document["components"] += [dict(hidden, **{"bom-ref": str(n)}) for n in range(300)]
        case "metadata":
            subject(document)["components"] = [hidden]
        case "nested":
            outer = {"type": "file", "name": "b", "version": "1", "bom-ref": "b"}
            document["components"].append({**outer, "components": [hidden]})
        case "dependencies":
            document["dependencies"] += [{"ref": str(n)} for n in range(300)]
            document["dependencies"][-1]["unknown"] = 1

    with pytest.raises(BillError, match="not CycloneDX 1.6"):
        validate_bill(serialize(document))
