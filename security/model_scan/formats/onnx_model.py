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
from security.model_scan.report import Format, ScanLocation, ScanSeverity, UnscannedError, quote

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_LONGEST_TEXT = 4096
_DEEPEST = 40
_DRIVE = re.compile(r"[A-Za-z]:")
_HIGHEST_IR = 64
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


def starts_like_onnx(head: bytes) -> bool:
    """Say whether content starts like the output of every writer: IR version, then a field."""
    return len(head) > 3 and head[0] == 0x08 and 0 < head[1] < _HIGHEST_IR and head[2] in _AFTER


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
    start = stream.position
    for number, length in _read_fields(stream, end, kind):
        if length is None:
            continue
        inner = fields[number]
        if inner == _SKIP:
            stream.skip(length)
        elif inner == _TEXT:
            texts[number].append(_read_text(stream, length))
        else:
            _walk(stream, stream.position + length, inner, model, depth + 1)
    _note(kind, texts, model, start)
    return texts


def _note(kind: str, texts: Texts, model: _Model, offset: int) -> None:
    """Record operators, functions and external weights; every copy of a repeated field counts."""
    if kind == "Node":
        for name in texts.get(4, [""]):
            for domain in texts.get(7, [""]):
                model.operators.setdefault((domain, name), offset)
    elif kind == "Function":
        for name in texts.get(1, [""]):
            for domain in texts.get(10, [""]):
                model.functions.add((domain, name))
    elif kind == "External" and "location" in texts.get(1, ["location"]):
        for path in texts.get(2, [""]):
            model.outside.setdefault(path, offset)


def _read_fields(
    stream: ByteStream, end: int | None, kind: str
) -> Iterator[tuple[int, int | None]]:
    """Yield the number and the length of each field of a message; no length for a number."""
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
            yield number, length
        elif inner != _SKIP or wire not in (_VARINT, _FIXED64, _FIXED32):
            raise UnscannedError(f"wrong type of a field in an ONNX {kind}: {number}")
        elif wire == _VARINT:
            _read_varint(stream)
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
