"""Changes of a signed statement: each field of its envelope and of its payload, one at a time."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

from tests.integration.tampering.verified_project import read_payload

Path = tuple[str | int, ...]


def list_places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each value in a document, the document itself left out."""
    if path:
        yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, one in items:
        yield from list_places(one, (*path, key))


def alter(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return f"{'1' if value[:1] == '0' else '0'}{value[1:]}"
    if isinstance(value, list):
        return value[:-1] if value else ["x"]
    if isinstance(value, dict):
        return {**value, "added": "x"}
    return "x"


def change_document(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield changed documents with a description: each value altered, and each one removed."""
    for path in list_places(document):
        shown = ".".join(map(str, path))
        changed = copy.deepcopy(document)
        holder = changed
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = alter(holder[path[-1]])
        yield f"altered {shown}", changed
        removed = copy.deepcopy(document)
        holder = removed
        for key in path[:-1]:
            holder = holder[key]
        del holder[path[-1]]
        yield f"removed {shown}", removed


def change_payload(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield bundles with a changed payload and the old signature."""
    for name, changed in change_document(read_payload(bundle)):
        yield f"payload: {name}", with_payload(bundle, json.dumps(changed).encode())


def change_envelope(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield bundles with a change outside of the payload."""
    for name, changed in change_document(json.loads(bundle)):
        if not name.endswith(".payload") and "tlogEntries" not in name:
            yield f"envelope: {name}", json.dumps(changed).encode()


def write_otherwise(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield other texts of the same JSON document, which say the same."""
    document = json.loads(bundle)
    yield "indented", json.dumps(document, indent=2).encode()
    yield "reordered keys", json.dumps(dict(reversed(document.items()))).encode()
    yield "sorted keys", json.dumps(document, sort_keys=True).encode()
    yield "a newline at its end", json.dumps(document).encode() + b"\n"


def with_payload(bundle: bytes, payload: bytes) -> bytes:
    """Return a bundle with another payload and the old signature."""
    document = json.loads(bundle)
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    return json.dumps(document).encode()
