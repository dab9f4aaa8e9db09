"""GGUF files: metadata, descriptions of tensors, and their aligned data.

Follows docs/gguf.md of ggml (versions 2 and 3). The loader believes counts, lengths and offsets, so
all of them must be inside the file. The chat template is a program for Jinja: a template that
reaches for attributes of Python runs code where the host does not sandbox it (CVE-2024-34359).
"""

from __future__ import annotations

import math
import re
import struct

from security.model_scan.byte_stream import ByteContent, ByteStream
from security.model_scan.examination import Examination
from security.model_scan.report import Format, ScanLocation, ScanSeverity, UnscannedError, quote

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_NUMBERS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_TEXT, _LIST = 8, 9
_MOST_TEXT, _MOST_COUNT, _DEEPEST, _MOST_DIMENSIONS = 16 << 20, 1 << 24, 4, 8
# Tensor type: elements of a block, bytes of a block (ggml.h).
_BLOCKS = {
    **{0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34)},
    **{9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176)},
    **{14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98)},
    **{19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136)},
    **{24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2)},
    **{34: (256, 54), 35: (256, 66), 39: (32, 17)},
}
_ALIGNMENT, _TEMPLATE = "general.alignment", "tokenizer.chat_template"
_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_TEXT_IN_CODE = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_HIDDEN = re.compile(r"__[a-z]|\\x5f|\\u005f|\\137", re.IGNORECASE)
_REACHES_OUT = re.compile(
    r"\|\s*attr\b|\b(attr|lipsum|cycler|joiner|mro|subclasses|globals|builtins|popen|import|include"
    r"|extends)\b"
)


def starts_like_gguf(head: bytes, _: int | None) -> bool:
    """Say whether content starts with the magic number."""
    return head.startswith(MAGIC)


def judge_gguf(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan a file.

    1. Keys are unique, values have known types, lengths are inside the file.
    2. A chat template does not reach for attributes of Python.
    3. Each tensor has a known type and is inside the data; no two overlap.

    Raises:
        UnscannedError: step 1 or 3 fails.
    """
    reader = _Reader(content)
    version = reader.number("I", skip=len(MAGIC))
    if version not in _VERSIONS:
        raise UnscannedError(f"unsupported version of GGUF: {version}", where)
    tensors, pairs = reader.count(), reader.count()
    metadata = reader.read_pairs(pairs)  # 1
    for key, value in metadata.items():
        if key.startswith(_TEMPLATE) and isinstance(value, str):
            _judge_template(examination, value, where)  # 2
    alignment = metadata.get(_ALIGNMENT, 32)
    if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
        raise UnscannedError("GGUF file with an invalid alignment", where)
    ranges = sorted(reader.read_tensor(alignment) for _ in range(tensors))  # 3
    start = -(-reader.stream.position // alignment) * alignment
    if any(after < end for (_, end), (after, _) in zip(ranges, ranges[1:])):
        raise UnscannedError("GGUF file with tensors that overlap", where)
    if ranges and start + max(end for _, end in ranges) > reader.size:
        raise UnscannedError("GGUF tensor outside the file", where)
    return Format.GGUF


def _judge_template(examination: Examination, text: str, where: ScanLocation) -> None:
    """Find what a template of a chat does not need."""
    code = " ".join(_CODE.findall(text))
    match = _HIDDEN.search(code) or _REACHES_OUT.search(_TEXT_IN_CODE.sub("''", code))
    if match is not None:
        message = f"chat template reaches for more than messages: {quote(match[0])}"
        examination.find("gguf-template", ScanSeverity.HIGH, message, where, quote(match[0]))


class _Reader:
    """A reader of the parts before the data."""

    def __init__(self, content: ByteContent) -> None:
        if content.size is None:
            raise UnscannedError("GGUF file inside a compressed layer")
        self.size = content.size
        self.stream: ByteStream = content.open()

    def number(self, code: str, skip: int = 0) -> int:
        """Read a number."""
        self.stream.skip(skip)
        return int(struct.unpack(f"<{code}", self.stream.read(struct.calcsize(f"<{code}")))[0])

    def count(self) -> int:
        """Read a number of parts."""
        count = self.number("Q")
        if count > min(_MOST_COUNT, self.size):
            raise UnscannedError("GGUF file with more parts than bytes")
        return count

    def _text(self) -> str:
        length = self.number("Q")
        if length > min(_MOST_TEXT, self.size):
            raise UnscannedError("GGUF file with a text longer than the file")
        return self.stream.read(length).decode("utf-8", "backslashreplace")

    def read_pairs(self, count: int) -> dict[str, object]:
        """Read the metadata."""
        pairs: dict[str, object] = {}
        for _ in range(count):
            key = self._text()
            if key in pairs:
                raise UnscannedError("GGUF file with a repeated key")
            pairs[key] = self._value(self.number("I"), 0)
        return pairs

    def _value(self, kind: int, depth: int) -> object:
        """Read a value; return numbers and texts, and skip lists."""
        if kind in _NUMBERS:
            code = _NUMBERS[kind]
            if code in "fd?":
                self.stream.skip(struct.calcsize(code))
                return None
            return self.number(code)
        if kind == _TEXT:
            return self._text()
        if kind != _LIST or depth > _DEEPEST:
            raise UnscannedError("GGUF value of an unknown type, or nested too deeply")
        inner, length = self.number("I"), self.count()
        if inner in _NUMBERS:
            self.stream.skip(struct.calcsize(_NUMBERS[inner]) * length)
            return None
        for _ in range(length):
            self._value(inner, depth + 1)
        return None

    def read_tensor(self, alignment: int) -> tuple[int, int]:
        """Read the description of a tensor; return its start and end in the data."""
        self._text()
        dimensions = self.number("I")
        if dimensions > _MOST_DIMENSIONS:
            raise UnscannedError("GGUF tensor with too many dimensions")
        lengths = [self.number("Q") for _ in range(dimensions)]
        kind, offset = self.number("I"), self.number("Q")
        elements = math.prod(lengths)
        block, size = _BLOCKS.get(kind, (0, 0))
        if not block or (lengths and lengths[0] % block) or offset % alignment:
            raise UnscannedError("GGUF tensor of an unknown type, or not aligned")
        if elements > 1 << 62:
            raise UnscannedError("GGUF tensor with a shape that overflows")
        return offset, offset + elements // block * size
