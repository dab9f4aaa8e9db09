"""safetensors files: a length, a JSON header, and one buffer that the tensors cover exactly.

The rules come from the documentation of the format: no duplicate keys, no holes, no overlap.
"""

from __future__ import annotations

import math
from typing import Any

from security.content.document import DocumentError, parse_json
from security.model_scan.byte_stream import ByteContent
from security.model_scan.config.loader_rules import judge_text
from security.model_scan.examination import Examination
from security.model_scan.pickle.pickle_reader import check_end
from security.model_scan.report import Format, ScanLocation, UnscannedError

_LENGTH_BYTES = 8
_BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
_METADATA = "__metadata__"


def starts_like_safetensors(head: bytes, size: int | None) -> bool:
    """Say whether content starts with a length within its size and the brace of a header."""
    length = int.from_bytes(head[:_LENGTH_BYTES], "little")
    fits = size is None or length + _LENGTH_BYTES <= size
    return head[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{" and fits and 1 < length < 1 << 32


def judge_tensors(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan a safetensors file, which can hold only numbers.

    1. The header is JSON with unique keys, text metadata and one entry per tensor.
    2. Type, shape and offsets of each tensor agree.
    3. The tensors, in the order of their offsets, cover the buffer: nothing hides in between.
    4. The file ends after the last tensor.
    5. The metadata tells no loader to run code: some parse or evaluate it.

    Raises:
        UnscannedError: steps 1 to 3 fail, or the header is longer than the limit.
    """
    stream = content.open()
    length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
    if length > examination.limits.header:
        raise UnscannedError("safetensors header longer than the limit", where)
    header, metadata = _parse_header(stream.read(length))  # 1
    for text in metadata:
        judge_text(examination, text, where)  # 5
    ranges = sorted(_read_range(name, entry) for name, entry in header.items())  # 2
    end = 0
    for start, stop in ranges:  # 3
        if start != end:
            raise UnscannedError("safetensors: tensors overlap or leave gaps", where)
        end = stop
    stream.skip(end)
    check_end(examination, stream, where)  # 4
    return Format.SAFETENSORS


def _parse_header(raw: bytes) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Parse the JSON header; return its tensors, and the texts of its metadata."""
    try:
        header = parse_json(raw, len(raw))
    except DocumentError as error:
        raise UnscannedError("safetensors header is not JSON with unique keys") from error
    if not isinstance(header, dict):
        raise UnscannedError("safetensors header is not an object")
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(one, str) for one in metadata.values()):
        raise UnscannedError("safetensors metadata is not text")
    return header, list(metadata.values())


def _read_range(name: str, entry: Any) -> tuple[int, int]:
    """Return the start and the end of a tensor; refuse offsets that contradict its shape."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise UnscannedError("safetensors entry has keys other than dtype, shape, data_offsets")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        raise UnscannedError("safetensors entry has a malformed shape or malformed offsets")
    if any(type(one) is not int or not 0 <= one < 1 << 62 for one in (*shape, *offsets)):
        raise UnscannedError("safetensors entry has a number that is out of range")
    bits = _BITS.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if bits is None:
        raise UnscannedError("safetensors entry has an unknown type")
    start, stop = offsets
    if math.prod(shape) * bits != (stop - start) * 8:
        raise UnscannedError("shape and offsets of a safetensors entry disagree")
    return start, stop
