"""skops files: a schema in JSON that names classes and functions, and arrays beside it.

skops asks its user which types to trust, and most users answer "all that are in the file". So the
schema's names are judged like a pickle's.
"""

from __future__ import annotations

from typing import Any

from security.content.document import DocumentError, parse_json
from security.model_scan.byte_stream import ByteContent
from security.model_scan.examination import Examination
from security.model_scan.pickle.allowed_globals import ALLOWED
from security.model_scan.pickle.pickle_values import Global, is_special
from security.model_scan.report import ScanLocation, ScanSeverity, UnscannedError, quote

SCHEMA = "schema.json"
_NODE_KEYS = ("__class__", "__loader__", "__module__")
# What skops/io does for each: builds a container, sets attributes, loads an array without pickles.
_LOADERS = frozenset(
    (
        "BytearrayNode BytesNode CachedNode ConstructorFromReduceNode DTypeNode DefaultDictNode"
        " DictNode FunctionNode JsonNode ListNode LossNode MaskedArrayNode NdArrayNode ObjectNode"
        " RandomGeneratorNode RandomStateNode SetNode SliceNode SparseMatrixNode TreeNode TupleNode"
        " TypeNode"
    ).split()
)
_PLAIN = frozenset(
    ("builtins.NoneType", "numpy.random._generator.Generator", "numpy.random.mtrand.RandomState")
)
_RAW = ("BytesNode", "BytearrayNode")


def judge_schema(examination: Examination, content: ByteContent, where: ScanLocation) -> set[str]:
    """Judge the names of a schema; return the members that are raw bytes by its account.

    1. It is JSON with unique keys, within the limit.
    2. Every node's loader is one that runs nothing of the file's choice: no methods, no partials,
       no operators.
    3. Every node's class or function is allowed to be named.
    4. No attribute has a special name.

    Raises:
        UnscannedError: it is not a schema.
    """
    stream = content.open()
    raw = bytearray()
    while piece := stream.read_some(1 << 16):
        raw += piece
        if len(raw) > examination.limits.header:
            raise UnscannedError("a skops schema is longer than the limit", where)
    try:
        schema = parse_json(bytes(raw), len(raw))  # 1
    except DocumentError as error:
        raise UnscannedError("a skops schema is not JSON with unique keys", where) from error
    if not isinstance(schema, dict) or "__loader__" not in schema:
        raise UnscannedError("a skops schema without a first node", where)
    members: set[str] = set()
    pending: list[Any] = [schema]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending.extend(part)
        elif isinstance(part, dict):
            pending.extend(part.values())
            if any(key in part for key in _NODE_KEYS):
                _judge_node(examination, part, where, members)
    return members


def _judge_node(
    examination: Examination, node: dict[str, Any], where: ScanLocation, members: set[str]
) -> None:
    """Judge one node, and note a member of raw bytes."""
    loader, module, name = (node.get(key) for key in ("__loader__", "__module__", "__class__"))
    if not all(isinstance(one, str) for one in (loader, module, name)):
        if loader == "CachedNode" and module is None and name is None:
            return
        raise UnscannedError("a node of a skops schema is not complete", where)
    if loader not in _LOADERS:  # 2
        message = f"loading a {quote(str(loader))} runs what the file chooses"
        examination.find("skops-loader", ScanSeverity.HIGH, message, where, quote(str(loader)))
    found = Global(str(module), str(name))
    if found not in ALLOWED and str(found) not in _PLAIN:  # 3
        message = f"loading imports {found}, which is not known to be harmless"
        examination.find("skops-import", ScanSeverity.HIGH, message, where, str(found))
    content = node.get("content")
    names = content if isinstance(content, dict) else {}
    if any(is_special(key) and key not in (*_NODE_KEYS, "__id__") for key in names):  # 4
        message = f"loading sets special attributes of an object of {found}"
        examination.find("skops-attributes", ScanSeverity.HIGH, message, where, str(found))
    if loader in _RAW and isinstance(content, str):
        members.add(content)
