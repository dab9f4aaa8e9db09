"""A bill of materials: CycloneDX 1.6 in JSON, believed only after it was judged.

The profile that it has to keep is in ``security/bom/bill_profile.py``, and for people in
``docs/reference/bills-of-materials.md``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any, NoReturn

from security.bom.bill_profile import find_faults, find_model_faults, find_package_faults
from security.bom.cyclonedx import SPECIFICATION
from security.content.printable import printable
from security.errors import SecurityError

MOST_BYTES = 64 << 20
MOST_COMPONENTS = 50_000
_CHUNK = 100
_FRAME = {"bomFormat": "CycloneDX", "specVersion": SPECIFICATION}
_SHOWN = 3
_HINT = "make the bill again: ml-assets sbom"


class BillError(SecurityError):
    """A bill cannot be made, is not one, or could not be judged."""

    kind = "bill"


class BillKind(Enum):
    """What a bill lists the materials of."""

    ENVIRONMENT = "environment"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill that was judged: these bytes, and no others."""

    content: bytes
    kind: BillKind

    @property
    def sha256(self) -> str:
        """Return the digest of its bytes."""
        return hashlib.sha256(self.content).hexdigest()


def verify_bill(content: bytes, kind: BillKind) -> Bill:
    """Judge a bill. The steps, each with the attack or the gap that it stops:

    1. No more bytes and components than anybody's: a bill cannot keep its reader busy.
    2. One JSON object in UTF-8, no key twice, only numbers that are numbers: two readers must not
       see two bills.
    3. CycloneDX 1.6, strictly: nothing stands in it that the specification has no meaning for. A
       validator that is missing or that fails is an error.
    4. The minimum profile of its kind: what a reviewer needs is there, or named as missing.

    Raises:
        BillError: a step finds something else, or could not be taken.
    """
    if len(content) > MOST_BYTES:  # 1
        raise BillError(f"a bill of more than {MOST_BYTES >> 20} MiB", _HINT)
    document = _parse(content)  # 2
    if _count(document) > MOST_COMPONENTS:
        raise BillError(f"a bill of more than {MOST_COMPONENTS} components", _HINT)
    if document.get("specVersion") != SPECIFICATION:  # 3: the schema takes any
        raise BillError(f"not CycloneDX {SPECIFICATION}, by its own word", _HINT)
    _validate(document)
    faults = [*islice(_find(document, kind), _SHOWN + 1)]  # 4
    if faults:
        more = "; and more" if len(faults) > _SHOWN else ""
        text = "; ".join(printable(fault) for fault in faults[:_SHOWN])
        raise BillError(f"not within the minimum profile: {text}{more}", _HINT)
    return Bill(content, kind)


def _parse(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(
            content.decode("utf-8"), object_pairs_hook=_refuse_twice, parse_constant=_refuse_number
        )
        if not isinstance(document, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        raise BillError(f"not a bill: {printable(str(error))}", _HINT) from error
    return document


def _count(element: dict[str, Any]) -> int:
    """Count the components, those inside of others as well, until there are too many."""
    waiting, count = [element], -1
    while waiting and count <= MOST_COMPONENTS:
        count += 1
        inner = waiting.pop().get("components")
        waiting += (
            [one for one in inner if isinstance(one, dict)] if isinstance(inner, list) else []
        )
    return count


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands there twice")
    return values


def _refuse_number(name: str) -> NoReturn:
    raise ValueError(f"not a number: {name}")


def _validate(document: dict[str, Any]) -> None:
    """Ask CycloneDX's own validator; whatever goes wrong with it, nothing was validated."""
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator

        validator = JsonStrictValidator(SchemaVersion.V1_6)
        answers = (validator.validate_str(json.dumps(part)) for part in _split(document))
        problem = next((answer for answer in answers if answer is not None), None)
    except Exception as error:  # noqa: BLE001  # whatever it is: not validated
        raise BillError(
            f"could not validate: {type(error).__name__}: {printable(str(error))}",
            "reinstall ml-assets, with cyclonedx-python-lib and jsonschema",
        ) from error
    if problem is not None:
        where = "/".join(map(str, getattr(problem.data, "absolute_path", ()))) or "the document"
        what = getattr(problem.data, "message", "")
        raise BillError(f"not CycloneDX 1.6: {printable(where)}: {printable(what)}", _HINT)


def _split(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Split a bill into bills of few components, which together hold all of it.

    That no two of a list are equal takes the validator time by the square of the list's length. The
    profile asks for more than that, by references, so nothing is lost.
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
    """Take the components inside of a component out of it, to be validated on their own."""
    if not isinstance(component, dict) or not isinstance(component.get("components"), list):
        return component
    detached += component["components"]
    return {name: value for name, value in component.items() if name != "components"}


def _chunks(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def _find(document: dict[str, Any], kind: BillKind) -> Iterator[str]:
    yield from find_faults(document)
    if kind is BillKind.ENVIRONMENT:
        yield from find_package_faults(document)
    else:
        yield from find_model_faults(document)
