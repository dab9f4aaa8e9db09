"""The ML-BOM of a model: its files, its model card and its materials, written as bytes.

The writer takes values and reads nothing. The order of values does not change the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from security.bom.cyclonedx import (
    Element,
    clean,
    describe_tool,
    list_properties,
    public_address,
    sha256_hash,
    write_document,
)
from security.bom.model_description import (
    ComponentRole,
    Metric,
    ModelCard,
    ModelDescription,
    ModelMaterial,
)
from security.bom.sbom import describe_licences
from security.gates.interface import Json

#: The parts of a model card; one that is not stated is named as such.
CARD_PARTS = ("algorithm", "considerations", "datasets", "metrics", "parameters", "task")
#: The address of a signed statement, by the digest of its bundle.
STATEMENT = "urn:ml-assets:statement:sha256:"


def write_model_bill(
    described: ModelDescription, *, tool_version: str, timestamp: str | None = None
) -> bytes:
    """Write the ML-BOM of a model.

    Args:
        timestamp: RFC 3339; None leaves it out, so that the bytes do not depend on the day.

    Raises:
        BillError: two materials have one name.
    """
    materials = sorted(described.materials, key=lambda one: one.ref)
    metadata: Element = {"timestamp": timestamp} if timestamp else {}
    metadata["tools"] = describe_tool(tool_version)
    metadata["component"] = _describe_model(described, materials)
    unread = [one.ref for one in materials if one.not_read]
    aggregate = "incomplete" if unread else "unknown"
    return write_document(
        metadata,
        [_describe(one) for one in materials],
        _graph([described.model, *materials]),
        [{"aggregate": aggregate, "assemblies": [described.model.ref]}],
    )


def _describe_model(described: ModelDescription, materials: Sequence[ModelMaterial]) -> Element:
    element = _describe(described.model)
    licences = describe_licences([described.card.licence])
    if licences:
        element["licenses"] = licences
    element["modelCard"] = _describe_card(described, materials)
    links: list[Json] = [
        {"type": "attestation", "url": f"{STATEMENT}{sha256}", "hashes": [sha256_hash(sha256)]}
        for sha256 in sorted(set(described.provenance))
    ]
    if links:
        element["externalReferences"] = links
    return element


def _describe(material: ModelMaterial) -> Element:
    """Describe a component: with its digest, or with the reason why it was not read."""
    element: Element = {
        "type": material.role.value,
        "bom-ref": material.ref,
        "name": clean(material.location),
        "version": f"sha256:{material.sha256}" if material.sha256 else "unknown",
    }
    if material.description:
        element["description"] = clean(material.description)
    if material.sha256:
        element["hashes"] = [sha256_hash(material.sha256)]
    if material.labels:
        element["tags"] = [clean(label, 200) for label in sorted(set(material.labels))]
    if material.files:
        element["components"] = [_describe_file(material, *one) for one in sorted(material.files)]
    if material.role is ComponentRole.DATA:
        element["data"] = [_describe_data(material)]
    element["properties"] = list_properties(_properties(material))
    return element


def _describe_file(material: ModelMaterial, path: str, sha256: str) -> Element:
    return {
        "type": "file",
        "bom-ref": _file_ref(material, path),
        "name": clean(path),
        "version": f"sha256:{sha256}",
        "hashes": [sha256_hash(sha256)],
    }


def _file_ref(material: ModelMaterial, path: str) -> str:
    return f"{material.ref}#{clean(path)}"


def _describe_data(material: ModelMaterial) -> Element:
    address = public_address(material.source or material.location)
    if not material.source and "://" not in material.location:
        address = quote(material.location, safe="/", errors="surrogateescape")
    return {"type": "dataset", "name": clean(material.location), "contents": {"url": address}}


def _properties(material: ModelMaterial) -> list[tuple[str, str]]:
    found = [("artifact", name) for name in material.names] + [
        ("digest", "of its listing" if material.files or material.md5.endswith(".dir") else ""),
        ("dvc:md5", material.md5),
        ("dvc:stage", material.stage),
        ("not-read", material.not_read),
        ("source:revision", material.revision),
    ]
    return [(name, value) for name, value in found if value]


def _describe_card(described: ModelDescription, materials: Iterable[ModelMaterial]) -> Element:
    card = described.card
    parameters = _parameters(card, materials)
    considerations = _considerations(card)
    metrics = _describe_metrics(described.metrics)
    stated = {
        "algorithm": "modelArchitecture" in parameters,
        "considerations": bool(considerations),
        "datasets": "datasets" in parameters,
        "metrics": bool(metrics),
        "parameters": bool(described.parameters),
        "task": "task" in parameters,
    }
    properties = [(f"parameter:{name}", value) for name, value in described.parameters]
    properties += described.facts
    properties += [("card:not-stated", part) for part in CARD_PARTS if not stated[part]]
    element: Element = {"bom-ref": f"card:{clean(described.model.location)}"}
    element["modelParameters"] = parameters
    if metrics:
        element["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    if considerations:
        element["considerations"] = considerations
    element["properties"] = list_properties(properties)
    return element


def _parameters(card: ModelCard, materials: Iterable[ModelMaterial]) -> Element:
    found: Element = {"approach": {"type": card.approach}} if card.approach else {}
    texts = {
        "task": card.task,
        "architectureFamily": card.family,
        "modelArchitecture": card.algorithm,
    }
    found |= {name: line for name, text in texts.items() if (line := clean(text or ""))}
    datasets: list[Json] = [{"ref": one.ref} for one in materials if one.role is ComponentRole.DATA]
    if datasets:
        found["datasets"] = datasets
    for name, formats in (("inputs", card.inputs), ("outputs", card.outputs)):
        if formats:
            found[name] = [{"format": clean(one)} for one in formats]
    return found


def _considerations(card: ModelCard) -> Element:
    lists = {
        "users": card.users,
        "useCases": card.use_cases,
        "technicalLimitations": card.limitations,
        "performanceTradeoffs": card.tradeoffs,
    }
    found: Element = {name: [clean(one) for one in texts] for name, texts in lists.items() if texts}
    risks: list[Json] = [
        {"name": clean(name), **({"mitigationStrategy": clean(mitigation)} if mitigation else {})}
        for name, mitigation in card.risks
    ]
    return {**found, "ethicalConsiderations": risks} if risks else found


def _describe_metrics(metrics: Iterable[Metric]) -> list[Json]:
    ordered = sorted(set(metrics), key=lambda one: (one.slice, one.type, one.value))
    return [
        {
            "type": clean(one.type),
            "value": one.value,
            **({"slice": clean(one.slice)} if one.slice else {}),
        }
        for one in ordered
    ]


def _graph(materials: Sequence[ModelMaterial]) -> dict[str, set[str]]:
    refs = {one.location: one.ref for one in materials}
    graph = {
        one.ref: {refs[location] for location in one.made_from if location in refs} - {one.ref}
        for one in materials
    }
    for one in materials:
        graph |= {_file_ref(one, path): set() for path, _ in one.files}
        graph[one.ref] |= {_file_ref(one, path) for path, _ in one.files}
    return graph
