"""CycloneDX 1.6: the elements that all bills share, and the writer of a bill's bytes."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit

from security.content.printable import printable
from security.errors import SecurityError
from security.gates.interface import Json

SPECIFICATION = "1.6"
SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
HINT = "make the bill again: ml-assets sbom"
#: The name space of all serial numbers, which are derived from a bill's content.
NAME_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:ml-assets:bill")
LONGEST_TEXT = 4000

#: User and password of an address within a text.
SECRET = re.compile(r"(?<=://)[^/\s]*@")
_QUERY = re.compile(r"(://[^\s?#]*)\?[^\s#]*")

Element: TypeAlias = dict[str, Json]


class BillError(SecurityError):
    """A bill cannot be written, or is invalid."""

    kind = "bill"


def clean(text: str, limit: int = LONGEST_TEXT) -> str:
    """Return a foreign text as one printable line without secrets.

    Control characters are escaped; addresses lose user, password and query.
    """
    line = _QUERY.sub(r"\1", SECRET.sub("", " ".join(text.split())))
    return printable(line, limit)


def list_properties(pairs: Iterable[tuple[str, str]]) -> list[Json]:
    """Return named values as CycloneDX properties, sorted and without duplicates."""
    cleaned = {(f"ml-assets:{clean(name, 500)}", clean(value)) for name, value in pairs}
    return [{"name": name, "value": value} for name, value in sorted(cleaned)]


def sha256_hash(sha256: str) -> Element:
    """Return a sha256 as a hash."""
    return {"alg": "SHA-256", "content": sha256}


def public_address(address: str) -> str:
    """Return an address in printable ASCII without user, password, query and fragment.

    A malformed address becomes ``not-an-address``.
    """
    shown = "".join(one for one in address if one.isprintable())
    if "://" not in shown:  # as Git writes it: user@host:path
        first, slash, rest = shown.partition("/")
        shown = f"{first.rpartition('@')[2]}{slash}{rest}"
    try:
        parts = urlsplit(shown)
    except ValueError:
        return "not-an-address"
    host = parts.netloc.rpartition("@")[2]
    bare = urlunsplit((parts.scheme, host, parts.path, "", ""))
    return "".join(
        one if " " < one <= "~" and one not in '<>"{}|\\^`' else _percent(one) for one in bare
    )


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def describe_tool(version: str) -> Element:
    """Return the program that writes the bill, for its metadata."""
    tool: Element = {"type": "application", "name": "ml-assets", "version": version}
    return {"components": [tool]}


def write_document(
    metadata: Element,
    components: list[Element],
    dependencies: dict[str, set[str]],
    compositions: list[Json],
) -> bytes:
    """Write a bill: equal values give equal bytes.

    Raises:
        BillError: two components have one reference, so that one could hide the other.
    """
    refs = Counter(map(str, _refs([*components, metadata.get("component")])))
    twice = [ref for ref, count in refs.items() if count > 1]
    if twice:
        raise BillError(f"two materials with one name: {printable(twice[0])}", "rename one of them")
    graph: list[Json] = [
        {"ref": ref, "dependsOn": list(sorted(on))} if on else {"ref": ref}
        for ref, on in sorted(dependencies.items())
    ]
    by_reference: list[Element] = sorted(components, key=lambda one: str(one["bom-ref"]))
    document: Element = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": "",
        "version": 1,
        "metadata": metadata,
        "components": [*by_reference],
        "dependencies": graph,
        "compositions": compositions,
    }
    document["serialNumber"] = derive_serial(document)
    text = json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False)
    return f"{text}\n".encode("ascii")


def _refs(components: Iterable[Json]) -> Iterator[Json]:
    """Yield the references of components, including inner ones."""
    for one in components:
        if isinstance(one, dict):
            inner = one.get("components")
            yield one.get("bom-ref")
            yield from _refs(inner if isinstance(inner, list) else ())


def derive_serial(document: Element) -> str:
    """Return the serial number of a document's content; other content has another number."""
    rest = {name: value for name, value in document.items() if name != "serialNumber"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    return f"urn:uuid:{uuid.uuid5(NAME_SPACE, digest)}"
