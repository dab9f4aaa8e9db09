"""The minimum profile of bills: the rules beyond CycloneDX that the writers promise to keep.

The documentation has it in ``docs/reference/bills-of-materials.md``; tests check each written bill.

Every bill, each rule with the gap or the attack that it stops:

1. All texts are printable and not too long: nothing is hidden from who reads it on a terminal.
2. The serial number is the one that the content gives: a bill that was changed cannot pass for the
   one that somebody has approved.
3. It says what made it, and what it is about: a bill of nobody about nothing proves nothing.
4. Each component has a name and a version: without them nobody can match it with an advisory.
5. References are unique and lead somewhere, and each component has its place in the graph: what
   hangs loose is not found when somebody asks what a component reaches.
6. Addresses carry no user, password or query, and those in texts no user and password: a bill is
   published, and secrets would be with it.
7. What is known to be missing is said: the bill states how complete it is.

Of an environment:

8. It has one interpreter.
9. Each package has the package URL of its own name and version: advisories are looked up by the URL
   and read by the name, and one must not vouch for the other.
10. Each package is locked, installed or both; one that is locked has the hashes of the lock. Where
    there are no hashes, or no licence, it says so: a gap is not an omission.
11. A package in two versions says so at each of them: the harmless one must not hide the other.

Of a model:

12. It is about a model, with sha256 and model card; so is each of its files.
13. The card states task, algorithm, parameters, metrics and considerations, or names which it does
    not state; its data sets are components of the bill, and there is one, or it says so.
14. Each component has a sha256, or says why it was not read; data say where they come from.
15. Metrics are finite numbers, as text: ``nan`` is better and worse than any threshold.
16. What links a statement names it by the sha256 that it carries: a link cannot lead elsewhere.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from typing import Any
from urllib.parse import quote, urlsplit

from security.bom.bill import validate_bill
from security.bom.cyclonedx import SECRET, derive_serial
from security.bom.ml_bom import CARD_PARTS, STATEMENT

STATES = ("installed", "locked", "locked-and-installed")
_LONGEST = 10_000
_COMPLETE = ("complete", "incomplete", "unknown")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PYPI = re.compile(r"pkg:(pypi|generic)/([^@?#]+)@([^?#]+)(\?[^#]*)?")

_Document = dict[str, Any]


class BillKind(Enum):
    """What a bill is about."""

    ENVIRONMENT = "environment"
    MODEL = "model"


class ProfileError(AssertionError):
    """A bill is not within the profile."""


def check_bill(content: bytes, kind: BillKind) -> _Document:
    """Validate a bill by its schema and by the profile, and return it.

    Raises:
        BillError: it is not CycloneDX 1.6.
        ProfileError: it breaks a rule of the profile.
    """
    document: _Document = json.loads(validate_bill(content).content)
    more = find_package_faults if kind is BillKind.ENVIRONMENT else find_model_faults
    faults = [*find_faults(document), *more(document)]
    if faults:
        raise ProfileError("; ".join(faults))
    return document


def find_faults(document: _Document) -> Iterator[str]:
    """Yield what is wrong with any bill, by rule."""
    for text in _texts(document):  # 1
        if not text.isprintable() or len(text) > _LONGEST:
            yield f"1: a text that is not printable, or too long: {text[:80]!a}"
        if SECRET.search(text):  # 6
            yield "6: a text with an address that holds a user or a password"
    if document.get("serialNumber") != derive_serial(document):  # 2
        yield "2: the serial number of another content"
    metadata = document.get("metadata", {})
    tools = metadata.get("tools", {})
    if not isinstance(tools, dict) or not tools.get("components"):  # 3
        yield "3: nothing says what made it"
    if not metadata.get("component", {}).get("bom-ref"):
        yield "3: nothing says what it is about"
    for component in _components(document):  # 4
        if not (component.get("name") and component.get("version")):
            yield f"4: a component without name or version: {_name(component)}"
    yield from _find_loose(document)  # 5
    yield from _find_addresses(document)  # 6
    said = [one.get("aggregate") for one in document.get("compositions", [])]
    if len(said) != 1 or said[0] not in _COMPLETE:  # 7
        yield "7: it does not say how complete it is"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _components(document: _Document) -> Iterator[_Document]:
    """Yield the component that a bill is about, and all others, with those inside of them."""
    subject = document.get("metadata", {}).get("component")
    waiting = [*([subject] if subject else []), *document.get("components", [])]
    while waiting:
        component = waiting.pop()
        yield component
        waiting += component.get("components", [])


def _name(component: _Document) -> str:
    return str(component.get("bom-ref") or component.get("name"))


def _find_loose(document: _Document) -> Iterator[str]:
    counted = Counter(one.get("bom-ref") for one in _components(document))
    entries = Counter(one["ref"] for one in document.get("dependencies", []))
    for ref, count in counted.items():
        if not ref or count > 1:
            yield f"5: a reference that is missing, or not unique: {ref}"
        elif entries[ref] != 1:
            yield f"5: a component without one place in the graph: {ref}"
    used = set(entries)
    for entry in document.get("dependencies", []):
        used.update(entry.get("dependsOn", []))
    for composition in document.get("compositions", []):
        used.update(composition.get("assemblies", []))
    for ref in sorted(used - set(counted)):
        yield f"5: a reference that leads nowhere: {ref}"


def _find_addresses(document: _Document) -> Iterator[str]:
    for component in _components(document):
        addresses = [one.get("url", "") for one in component.get("externalReferences", [])]
        for data in component.get("data", []):
            addresses.append(data.get("contents", {}).get("url", ""))
        for address in addresses:
            try:
                parts = urlsplit(address)
            except ValueError:
                yield f"6: not an address: {_name(component)}"
                continue
            if parts.scheme == "pkg":
                continue
            user = "@" in (parts.netloc or address.partition("/")[0])
            if user or parts.query or " " in address or not address.isascii():
                yield f"6: an address that may hold a secret: {_name(component)}"


def _values(element: _Document, name: str) -> list[str]:
    wanted = f"ml-assets:{name}"
    found = [one for one in element.get("properties", []) if one.get("name") == wanted]
    return [str(one.get("value", "")) for one in found]


def _hashes(component: _Document) -> list[str]:
    """Return the sha256 of a component or reference, as far as they are any."""
    hashes = [one["content"] for one in component.get("hashes", []) if one["alg"] == "SHA-256"]
    return [one for one in hashes if _SHA256.fullmatch(one)]


def find_package_faults(document: _Document) -> Iterator[str]:
    """Yield what is wrong with the bill of an environment, by rule."""
    components = document.get("components", [])
    if sum(one["type"] == "platform" for one in components) != 1:  # 8
        yield "8: not one interpreter"
    packages = [one for one in components if _values(one, "package:state")]
    for component in components:
        if component["type"] == "library" and not str(component.get("purl")).startswith("pkg:deb/"):
            yield from _find_package(component)
    versions: dict[str, set[str]] = {}
    for package in packages:
        versions.setdefault(package["name"], set()).add(_name(package))
    for package in packages:  # 11
        others = versions[package["name"]] - {_name(package)}
        if set(_values(package, "package:other")) != others:
            yield f"11: it does not name its other versions: {_name(package)}"


def _find_package(component: _Document) -> Iterator[str]:
    url = _PYPI.fullmatch(str(component.get("purl")))
    version = quote(str(component.get("version")), safe="")
    if url is None or (url[2], url[3]) != (component["name"], version):  # 9
        yield f"9: the package URL of another package: {_name(component)}"
    state = _values(component, "package:state")
    if len(state) != 1 or state[0] not in STATES:  # 10
        yield f"10: neither locked nor installed: {_name(component)}"
    missing = _values(component, "package:missing")
    locked = [
        hash for one in component.get("externalReferences", []) for hash in one.get("hashes", [])
    ]
    if "locked" in "".join(state) and not locked and "hashes" not in missing:
        yield f"10: locked without hashes: {_name(component)}"
    if "licences" not in missing and not component.get("licenses"):
        yield f"10: no licence, and nothing says so: {_name(component)}"


def find_model_faults(document: _Document) -> Iterator[str]:
    """Yield what is wrong with the bill of a model, by rule."""
    subject = document.get("metadata", {}).get("component", {})
    card = subject.get("modelCard", {})
    if subject.get("type") != "machine-learning-model" or not card or not _hashes(subject):  # 12
        yield "12: not about a model with sha256 and model card"
    stated = _stated(card)
    for part in CARD_PARTS:  # 13
        if stated[part] == (part in _values(card, "card:not-stated")):
            yield f"13: the model card neither states nor misses just this: {part}"
    listed = {one.get("bom-ref"): one for one in document.get("components", [])}
    for dataset in card.get("modelParameters", {}).get("datasets", []):
        if listed.get(dataset.get("ref"), {}).get("type") != "data":
            yield f"13: a data set that is not in the bill: {dataset.get('ref')}"
    for component in _components(document):  # 14
        if not _hashes(component) and not _values(component, "not-read"):
            yield f"14: without sha256: {_name(component)}"
        if component["type"] == "data" and not _says_source(component):
            yield f"14: data that come from nowhere: {_name(component)}"
    yield from _find_metrics(card)  # 15
    for link in subject.get("externalReferences", []):  # 16
        if [link["url"]] != [f"{STATEMENT}{sha256}" for sha256 in _hashes(link)]:
            yield f"16: a link to something else than its digest: {link['url']}"


def _stated(card: _Document) -> dict[str, bool]:
    parameters = card.get("modelParameters", {})
    named = [one["name"] for one in card.get("properties", [])]
    return {
        "algorithm": bool(parameters.get("modelArchitecture")),
        "considerations": any(card.get("considerations", {}).values()),
        "datasets": bool(parameters.get("datasets")),
        "metrics": bool(card.get("quantitativeAnalysis", {}).get("performanceMetrics")),
        "parameters": any(name.startswith("ml-assets:parameter:") for name in named),
        "task": bool(parameters.get("task")),
    }


def _says_source(component: _Document) -> bool:
    data = component.get("data", [])
    return bool(data) and all(
        one.get("type") == "dataset" and one.get("contents", {}).get("url") for one in data
    )


def _find_metrics(card: _Document) -> Iterator[str]:
    for metric in card.get("quantitativeAnalysis", {}).get("performanceMetrics", []):
        try:
            finite = math.isfinite(float(metric.get("value", "")))
        except ValueError:
            finite = False
        if not finite or not metric.get("type"):
            yield f"15: not a number: {metric.get('type')}"
