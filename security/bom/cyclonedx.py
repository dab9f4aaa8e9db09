"""CycloneDX 1.6: the elements that all bills share, and how a bill is written, byte for byte."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit

from security.content.printable import printable
from security.gates.interface import Json

SPECIFICATION = "1.6"
SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
#: All serial numbers are made in this name space, out of what the bill says.
NAME_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:ml-assets:bill")
LONGEST_TEXT = 4000

#: User and password of an address, wherever it stands in a text.
SECRET = re.compile(r"(?<=://)[^/\s]*@")
_QUERY = re.compile(r"(://[^\s?#]*)\?[^\s#]*")

Element: TypeAlias = dict[str, Json]


def clean(text: str, limit: int = LONGEST_TEXT) -> str:
    """Put a text of others on one line that hides nothing and tells no secret.

    Control characters are escaped; addresses in it lose user, password and query.
    """
    line = _QUERY.sub(r"\1", SECRET.sub("", " ".join(text.split())))
    return printable(line, limit)


def list_properties(pairs: Iterable[tuple[str, str]]) -> list[Json]:
    """Return named values as CycloneDX's properties, in one order, each once."""
    cleaned = {(f"ml-assets:{clean(name, 500)}", clean(value)) for name, value in pairs}
    return [{"name": name, "value": value} for name, value in sorted(cleaned)]


def sha256_hash(sha256: str) -> Element:
    """Return a sha256 as a hash."""
    return {"alg": "SHA-256", "content": sha256}


def public_address(address: str) -> str:
    """Return an address without what may be a secret: user, password, query and fragment.

    What is left is written with printable ASCII only; one that nobody can take apart is left out.
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
    """Return what made the bill, for its metadata."""
    tool: Element = {"type": "application", "name": "ml-assets", "version": version}
    return {"components": [tool]}


def write_document(
    metadata: Element,
    components: list[Element],
    dependencies: dict[str, set[str]],
    compositions: list[Json],
) -> bytes:
    """Write a bill: the same bytes for the same values, whoever writes it, wherever and when."""
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


def derive_serial(document: Element) -> str:
    """Return the serial number of what a document says: another number for any other content."""
    rest = {name: value for name, value in document.items() if name != "serialNumber"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    return f"urn:uuid:{uuid.uuid5(NAME_SPACE, digest)}"
