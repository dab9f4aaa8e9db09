"""The schema of skops files: JSON that names classes and functions, with arrays beside it.

skops asks users which types to trust, and most of them trust all types in the file. So the scanner
checks the names in a schema like those in a pickle.
"""

from __future__ import annotations

from typing import Any

from security.content.document import DocumentError, parse_json
from security.model_scan.byte_stream import ByteContent
from security.model_scan.examination import Examination
from security.model_scan.limits import ScanLimits
from security.model_scan.pickle.allowed_globals import ALLOWED
from security.model_scan.pickle.pickle_values import Global, is_special
from security.model_scan.report import ScanLocation, ScanSeverity, UnscannedError, quote

SCHEMA = "schema.json"
_NODE_KEYS = ("__class__", "__loader__", "__module__")
# In skops/io each of these builds a container, sets attributes or loads an array without pickles.
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
_CALLING = "ConstructorFromReduceNode"
_RAW = ("BytesNode", "BytearrayNode")


def judge_schema(examination: Examination, content: ByteContent, where: ScanLocation) -> set[str]:
    """Scan the names of a schema; return the members that it declares as raw bytes.

    1. The schema is JSON with unique keys, within the limit.
    2. No loader of a node runs code of the file's choice: no methods, no partials, no operators.
    3. The class or function of every node is an allowed name, without conditions that only a
       pickle's reader can check. What a node calls may also be called by a pickle.
    4. No attribute has a special name.

    Raises:
        UnscannedError: the content is not a schema, or longer than the limit.
    """
    schema = _parse_schema(content, examination.limits, where)  # 1
    if not _is_node(schema):
        raise UnscannedError("skops schema without a root node", where)
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


def may_be_schema(content: ByteContent, limits: ScanLimits) -> bool:
    """Say whether a document may be a schema; data has documents of this name as well."""
    try:
        return _is_node(_parse_schema(content, limits, ScanLocation()))
    except UnscannedError:
        return True


def _is_node(schema: object) -> bool:
    return isinstance(schema, dict) and "__loader__" in schema


def _parse_schema(content: ByteContent, limits: ScanLimits, where: ScanLocation) -> object:
    stream = content.open()
    raw = bytearray()
    while piece := stream.read_some(1 << 16):
        raw += piece
        if len(raw) > limits.header:
            raise UnscannedError("skops schema longer than the limit", where)
    try:
        return parse_json(bytes(raw), len(raw))
    except DocumentError as error:
        raise UnscannedError("skops schema is not JSON with unique keys", where) from error


def _judge_node(
    examination: Examination, node: dict[str, Any], where: ScanLocation, members: set[str]
) -> None:
    """Scan one node, and add a member of raw bytes to `members`."""
    loader, module, name = (node.get(key) for key in ("__loader__", "__module__", "__class__"))
    if not all(isinstance(one, str) for one in (loader, module, name)):
        if loader == "CachedNode" and module is None and name is None:
            return
        raise UnscannedError("incomplete node in a skops schema", where)
    if loader not in _LOADERS:  # 2
        message = f"loading runs code of the file's choice: node of type {quote(str(loader))}"
        examination.find("skops-loader", ScanSeverity.HIGH, message, where, quote(str(loader)))
    found = Global(str(module), str(name))
    allowance = ALLOWED.get(found)
    called = allowance is not None and allowance.call is None and loader == _CALLING
    if called or (allowance is None or allowance.strict) and str(found) not in _PLAIN:  # 3
        message = f"loading imports a name that is not allowed: {found}"
        examination.find("skops-import", ScanSeverity.HIGH, message, where, str(found))
    content = node.get("content")
    names = content if isinstance(content, dict) else {}
    if any(is_special(key) and key not in (*_NODE_KEYS, "__id__") for key in names):  # 4
        message = f"loading sets special attributes of an object of {found}"
        examination.find("skops-attributes", ScanSeverity.HIGH, message, where, str(found))
    if loader in _RAW and isinstance(content, str):
        members.add(content)
