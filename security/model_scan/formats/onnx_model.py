"""ONNX models: the protobuf wire format, followed field by field along onnx.proto.

A field or a wire type outside the standard is refused, an operator outside it is a finding; tensors
are skipped. Field numbers come from onnx.proto (IR version 13), wire types from the protobuf
encoding.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from security.model_scan.byte_stream import ByteContent, ByteStream
from security.model_scan.examination import Examination
from security.model_scan.formats.onnx_operators import KNOWN
from security.model_scan.formats.onnx_tensor import DIMENSIONS, RAW, TYPE, Tensor, check_tensor
from security.model_scan.report import Format, ScanLocation, ScanSeverity, UnscannedError, quote

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_LONGEST_TEXT = 4096
_DEEPEST = 40
_DRIVE = re.compile(r"[A-Za-z]:")
_HIGHEST_IR = 64
_MOST_FILES = 1000
_SKIP, _TEXT = "", "text"

# message: {field number: _SKIP, _TEXT, or the name of the nested message}
_MESSAGES: dict[str, dict[int, str]] = {
    "Model": {
        **dict.fromkeys((1, 2, 3, 4, 5, 6), _SKIP),
        **{7: "Graph", 8: "OperatorSet", 14: "Entry", 20: "Training", 25: "Function", 26: _SKIP},
    },
    "OperatorSet": {1: _TEXT, 2: _SKIP},
    "Entry": {1: _TEXT, 2: _TEXT},
    "Training": {1: "Graph", 2: "Graph", 3: "Entry", 4: "Entry"},
    "Graph": {
        **{1: "Node", 2: _SKIP, 5: "Tensor", 10: _SKIP, 11: _SKIP, 12: _SKIP, 13: _SKIP},
        **{14: _SKIP, 15: "SparseTensor", 16: "Entry"},
    },
    "Node": {
        **{1: _SKIP, 2: _SKIP, 3: _SKIP, 4: _TEXT, 5: "Attribute", 6: _SKIP, 7: _TEXT, 8: _SKIP},
        **{9: "Entry", 10: _SKIP},
    },
    "Attribute": {
        **dict.fromkeys((1, 2, 3, 4, 7, 8, 9, 13, 14, 15, 20, 21), _SKIP),
        **{5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph"},
        **{22: "SparseTensor", 23: "SparseTensor"},
    },
    "Tensor": {
        **dict.fromkeys((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14), _SKIP),
        **{13: "External", 16: "Entry"},
    },
    "External": {1: _TEXT, 2: _TEXT},
    "SparseTensor": {1: "Tensor", 2: "Tensor", 3: _SKIP},
    "Function": {
        **dict.fromkeys((2, 3, 4, 5, 6, 8, 13), _SKIP),
        **{1: _TEXT, 7: "Node", 9: "OperatorSet", 10: _TEXT, 11: "Attribute", 12: _SKIP},
        **{14: "Entry"},
    },
}

Texts = dict[int, list[str]]


@dataclass(slots=True)
class _Model:
    """The collected operators and functions (domain, name), and paths of external weights."""

    operators: dict[tuple[str, str], int] = field(default_factory=dict)
    functions: set[tuple[str, str]] = field(default_factory=set)
    outside: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    nodes: list[tuple[str, str]] = field(default_factory=list)
    calls: dict[tuple[str, str], set[tuple[str, str]]] = field(default_factory=dict)

    def calls_itself(self) -> bool:
        """Say whether a function calls itself, directly or by others: a runtime never ends."""
        left = dict(self.calls)
        while True:
            done = [one for one, called in left.items() if not called & left.keys()]
            if not done:
                return bool(left)
            for one in done:
                del left[one]


def starts_like_onnx(head: bytes) -> bool:
    """Say whether content starts like the output of every writer: IR version, then a field."""
    return len(head) > 3 and head[0] == 0x08 and 0 < head[1] < _HIGHEST_IR and head[2] in _AFTER


def has_graph(content: ByteContent) -> bool:
    """Say whether content is a message with the graph of a model, up to there."""
    stream = content.open()
    try:
        for number, length, _ in _read_fields(stream, None, "Model"):
            if _MESSAGES["Model"][number] == "Graph":
                return True
            stream.skip(length or 0)
    except UnscannedError:
        pass
    return False


_AFTER = {number << 3 | wire for number in range(1, 16) for wire in (_VARINT, _LENGTH)}


def judge_model(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan an ONNX model: its operators and its references to other files.

    Raises:
        UnscannedError: the model is malformed, or has fields outside the standard.
    """
    stream = content.open()
    model = _Model()
    try:
        _walk(stream, None, "Model", model, 0)
    except UnscannedError as error:
        error.location = error.location or where.at(stream.position)
        raise
    if not model.operators:
        raise UnscannedError("ONNX model without operators", where)
    if model.calls_itself():
        raise UnscannedError("ONNX function that calls itself", where)
    for (domain, name), offset in model.operators.items():
        if name in KNOWN.get(domain, ()) or (domain, name) in model.functions:
            continue
        what = f"{domain or 'ai.onnx'}.{name}"
        message = f"operator outside the ONNX standard runs code of the host: {quote(what)}"
        examination.find(
            "onnx-operator", ScanSeverity.MEDIUM, message, where.at(offset), quote(what)
        )
    for path, offset in model.outside.items():
        _judge_outside(examination, path, where.at(offset))
    if not where.inside and len(model.ends) < _MOST_FILES:
        examination.weights.update(model.ends)
    return Format.ONNX


def _judge_outside(examination: Examination, path: str, where: ScanLocation) -> None:
    """Check the path of weights outside the model file."""
    parts = path.split("/")
    strange = not path.isprintable() or "\\" in path or _DRIVE.match(path)
    if strange or any(part in ("", "..") for part in parts):
        message = f"weights path leaves the model's directory: {quote(path)}"
        examination.find("onnx-external-path", ScanSeverity.HIGH, message, where, quote(path))
    else:
        message = f"weights in another file, which this scan does not cover: {quote(path)}"
        examination.find("onnx-external-data", ScanSeverity.LOW, message, where, quote(path))


def _walk(stream: ByteStream, end: int | None, kind: str, model: _Model, depth: int) -> Texts:
    """Follow one message and return its texts by field number."""
    if depth > _DEEPEST:
        raise UnscannedError("ONNX model nested too deeply")
    fields, texts = _MESSAGES[kind], defaultdict[int, list[str]](list)
    start, tensor, first = stream.position, Tensor(), len(model.nodes)
    for number, length, value in _read_fields(stream, end, kind):
        if kind == "Tensor":
            _note_tensor(stream, tensor, number, length, value)
        if length is None:
            continue
        inner = fields[number]
        if inner == _SKIP:
            stream.skip(0 if kind == "Tensor" and number == DIMENSIONS else length)
        elif inner == _TEXT:
            texts[number].append(_read_text(stream, length))
        else:
            found = _walk(stream, stream.position + length, inner, model, depth + 1)
            if inner == "External":
                _note_range(tensor, found)
    if kind == "Tensor":
        _note_end(model, tensor)
    _note(kind, texts, model, start, model.nodes[first:] if kind == "Function" else [])
    return texts


def _note_tensor(
    stream: ByteStream, tensor: Tensor, number: int, length: int | None, value: int
) -> None:
    """Record what a field says about a tensor; read its lengths, which may be packed."""
    if number == DIMENSIONS and length is None:
        tensor.dimensions.append(_signed(value))
    elif number == DIMENSIONS and length is not None:
        end = stream.position + min(length, _LONGEST_TEXT)
        while stream.position < end:
            tensor.dimensions.append(_signed(_read_varint(stream)))
        if length > _LONGEST_TEXT:
            raise UnscannedError("ONNX tensor with too many dimensions")
    elif number == TYPE and length is None:
        tensor.kind = value
    elif number == RAW and length is not None:
        tensor.raw = length


def _note_end(model: _Model, tensor: Tensor) -> None:
    """Check a tensor, and record where its weights in another file end."""
    check_tensor(tensor)
    path = tensor.external.get("location", "")
    if tensor.external and len(model.ends) < _MOST_FILES:
        model.ends[path] = max(model.ends.get(path, 0), tensor.end)


def _note_range(tensor: Tensor, found: Texts) -> None:
    """Record one pair about the file of external weights; a repeated one could be either."""
    for key in found.get(1, [""]):
        for value in found.get(2, [""]):
            if tensor.external.setdefault(key, value) != value:
                raise UnscannedError("ONNX tensor with two ranges in another file")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _note(
    kind: str, texts: Texts, model: _Model, offset: int, called: list[tuple[str, str]]
) -> None:
    """Record operators, functions and external weights; every copy of a repeated field counts."""
    if kind == "Node":
        for name in texts.get(4, [""]):
            for domain in texts.get(7, [""]):
                model.operators.setdefault((domain, name), offset)
                model.nodes.append((domain, name))
    elif kind == "Function":
        for name in texts.get(1, [""]):
            for domain in texts.get(10, [""]):
                model.functions.add((domain, name))
                model.calls.setdefault((domain, name), set()).update(called)
    elif kind == "External" and "location" in texts.get(1, ["location"]):
        for path in texts.get(2, [""]):
            model.outside.setdefault(path, offset)


def _read_fields(
    stream: ByteStream, end: int | None, kind: str
) -> Iterator[tuple[int, int | None, int]]:
    """Yield the number of each field of a message, with its length, or None and its value."""
    while not stream.at_end() if end is None else stream.position < end:
        tag = _read_varint(stream)
        number, wire = tag >> 3, tag & 7
        inner = _MESSAGES[kind].get(number)
        if inner is None:
            raise UnscannedError(f"unknown field in an ONNX {kind}: {number}")
        if wire == _LENGTH:
            length = _read_varint(stream)
            if end is not None and stream.position + length > end:
                raise UnscannedError("ONNX field longer than its message")
            yield number, length, 0
        elif inner != _SKIP or wire not in (_VARINT, _FIXED64, _FIXED32):
            raise UnscannedError(f"wrong type of a field in an ONNX {kind}: {number}")
        elif wire == _VARINT:
            yield number, None, _read_varint(stream)
        else:
            stream.skip(8 if wire == _FIXED64 else 4)
    if end is not None and stream.position != end:
        raise UnscannedError("ONNX message does not end at its announced length")


def _read_varint(stream: ByteStream) -> int:
    """Read a varint of at most 64 bits."""
    value = shift = 0
    while True:
        byte = stream.read(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7
        if shift >= 70:
            raise UnscannedError("ONNX varint longer than 64 bits")


def _read_text(stream: ByteStream, length: int) -> str:
    """Read a text; skip one beyond the limit and return an ellipsis."""
    if length > _LONGEST_TEXT:
        stream.skip(length)
        return "…"
    try:
        return stream.read(length).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnscannedError("ONNX text is not UTF-8") from error
