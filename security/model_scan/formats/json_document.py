"""JSON documents: models that are written as plain numbers and texts, such as XGBoost's.

What reads JSON makes numbers, texts, lists and tables of it, and runs nothing. Loaders that make
objects of it (jsonpickle, Keras, Hydra, skops and others) go by keys that name a type or a
callable: a document that has one is not judged here.
"""

from __future__ import annotations

from security.content.document import DocumentError, parse_json
from security.model_scan.byte_stream import ByteContent
from security.model_scan.examination import Examination
from security.model_scan.report import Format, ScanLocation, UnscannedError

#: Keys by which some loader finds what to make, in lower case.
_NAMING = frozenset(
    {
        "$type",
        "@class",
        "@type",
        "__class__",
        "__loader__",
        "__module__",
        "__reduce__",
        "__type__",
        "_target_",
        "class_name",
        "registered_name",
    }
)
_PICKLED = "py/"  # jsonpickle's keys


def starts_like_json(head: bytes) -> bool:
    """Say whether content starts with an object or a list."""
    return head.lstrip(b" \t\r\n")[:1] in (b"{", b"[")


def judge_document(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Judge a JSON document (RFC 8259), in which only data may be.

    1. It is UTF-8 and one value from end to end, with unique keys and finite numbers.
    2. No key of it names a type or a callable.

    Raises:
        UnscannedError: a step finds something else.
    """
    size = content.size
    if size is None or size > examination.limits.header:
        raise UnscannedError("a JSON document is longer than the limit", where)
    try:
        parse_json(content.open().read(size), size, check_key=_refuse_naming)  # 1
    except DocumentError as error:
        raise UnscannedError("not JSON with unique keys and finite numbers", where) from error
    return Format.JSON


def _refuse_naming(key: str) -> None:
    if key.lower() in _NAMING or key.lower().startswith(_PICKLED):  # 2
        raise UnscannedError(f"a JSON document names what a loader is to make: {key[:40]!a}")
