"""JSON documents: models written as plain numbers and texts, such as XGBoost's.

A JSON parser only makes numbers, texts, lists and objects. Loaders that build Python objects from
JSON (jsonpickle, Keras, Hydra, skops and others) use keys that name a type or a callable. A
document with such a key is left unjudged.
"""

from __future__ import annotations

from security.content.document import DocumentError, parse_json
from security.model_scan.byte_stream import ByteContent
from security.model_scan.examination import Examination
from security.model_scan.formats.xgboost_trees import check_learner, is_learner
from security.model_scan.report import Format, ScanLocation, UnscannedError

#: Keys that name a type or a callable for some loader, in lower case.
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
_PICKLED = "py/"  # the prefix of jsonpickle's keys


def starts_like_json(head: bytes) -> bool:
    """Say whether content starts with an object or a list."""
    return head.lstrip(b" \t\r\n")[:1] in (b"{", b"[")


def judge_document(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan a JSON document (RFC 8259), which must hold only data.

    1. The document is UTF-8 and one value from end to end, with unique keys and finite numbers.
    2. No key names a type or a callable.
    3. The indexes in the trees of XGBoost are in range.

    Raises:
        UnscannedError: a step fails, or the document is longer than the limit.
    """
    size = content.size
    if size is None or size > examination.limits.header:
        raise UnscannedError("JSON document longer than the limit", where)
    try:
        document = parse_json(content.open().read(size), size, check_key=_refuse_naming)  # 1
    except DocumentError as error:
        raise UnscannedError("not JSON with unique keys and finite numbers", where) from error
    if is_learner(document):  # 3
        check_learner(document)
    return Format.JSON


def _refuse_naming(key: str) -> None:
    if key.lower() in _NAMING or key.lower().startswith(_PICKLED):  # 2
        raise UnscannedError(f"JSON key names a type or callable for a loader: {key[:40]!a}")
