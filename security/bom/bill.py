"""A bill of materials: CycloneDX 1.6 in JSON, as bytes that its own schema has validated.

Bills are only written here, never read from others. The minimum profile beyond the schema
(``docs/reference/bills-of-materials.md``) is a promise of the writers that the tests check.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from security.bom.cyclonedx import HINT, SPECIFICATION, BillError
from security.content.printable import printable

_CHUNK = 20
_FRAME = {"bomFormat": "CycloneDX", "specVersion": SPECIFICATION}


@dataclass(frozen=True, slots=True)
class Bill:
    """A validated bill."""

    content: bytes

    @property
    def sha256(self) -> str:
        """Return the digest of its bytes."""
        return hashlib.sha256(self.content).hexdigest()


def validate_bill(content: bytes) -> Bill:
    """Validate a written bill with the strict schema of CycloneDX 1.6.

    The schema refuses every property that the specification does not define. A validator that is
    missing or fails is an error.

    Raises:
        BillError: the bill is invalid, or could not be validated.
    """
    document = json.loads(content)
    if document.get("specVersion") != SPECIFICATION:  # the schema accepts any
        raise BillError(f"not CycloneDX {SPECIFICATION}: another specVersion", HINT)
    _validate(document)
    return Bill(content)


def _validate(document: dict[str, Any]) -> None:
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator

        validator = JsonStrictValidator(SchemaVersion.V1_6)
        answers = (validator.validate_str(json.dumps(part)) for part in _split(document))
        problem = next((answer for answer in answers if answer is not None), None)
    except Exception as error:  # noqa: BLE001  # any failure of the validator: not validated
        raise BillError(
            f"could not validate: {type(error).__name__}: {printable(str(error))}",
            "reinstall ml-assets, with cyclonedx-python-lib and jsonschema",
        ) from error
    if problem is not None:
        where = "/".join(map(str, getattr(problem.data, "absolute_path", ()))) or "the document"
        what = getattr(problem.data, "message", "")
        raise BillError(f"not CycloneDX 1.6: {printable(where)}: {printable(what)}", HINT)


def _split(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Split a bill into bills of few components, which together hold all of it.

    The validator's check for equal items takes quadratic time. ``write_document`` refuses equal
    references, so the check loses nothing.
    """
    detached: list[Any] = []
    frame = dict(document)
    for name in ("components", "dependencies"):
        if isinstance(frame.get(name), list):
            items = frame.pop(name)
            if name == "components":
                detached += items
            else:
                yield from ({**_FRAME, name: chunk} for chunk in _chunks(items))
    metadata = frame.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("component"), dict):
        frame["metadata"] = {**metadata, "component": _detach(metadata["component"], detached)}
    yield frame
    while detached:
        chunk, detached[:_CHUNK] = detached[:_CHUNK], []
        yield {**_FRAME, "components": [_detach(one, detached) for one in chunk]}


def _detach(component: Any, detached: list[Any]) -> Any:
    """Take the inner components out of a component, to validate them on their own."""
    if not isinstance(component, dict) or not isinstance(component.get("components"), list):
        return component
    detached += component["components"]
    return {name: value for name, value in component.items() if name != "components"}


def _chunks(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
