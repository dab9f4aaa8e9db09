"""XGBoost's binary models: UBJSON (draft 12), of only numbers, texts, lists and objects."""

from __future__ import annotations

import array
import struct
import sys
from typing import Any

from security.model_scan.byte_stream import ByteContent, ByteStream
from security.model_scan.examination import Examination
from security.model_scan.formats.xgboost_trees import check_learner, is_learner
from security.model_scan.pickle.pickle_reader import check_end
from security.model_scan.report import Format, ScanLocation, UnscannedError

_INTEGERS = {b"i": "b", b"U": "B", b"I": "h", b"l": "i", b"L": "q"}
_FLOATS = {b"d": "f", b"D": "d"}
_NUMBERS = {**_INTEGERS, **_FLOATS}
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_DEEPEST = 64
_MOST_VALUES = 20_000_000
_MOST_BYTES = 1 << 29


def starts_like_ubj(head: bytes, _: int | None) -> bool:
    """Say whether content starts with an object and a length, where JSON has a quote."""
    return len(head) > 2 and head[:1] == b"{" and head[1:2] in _INTEGERS


def judge_ubj(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan a model in UBJSON.

    1. It is one value to the end of the file; lengths are inside it, and its depth is limited.
    2. It is a model of XGBoost, whose indexes are in range.

    Raises:
        UnscannedError: a step fails.
    """
    if content.size is None or content.size > _MOST_BYTES:
        raise UnscannedError("UBJSON file longer than the limit", where)
    stream = content.open()
    document = _Reader(stream, content.size).read(stream.read(1), 0)  # 1
    check_end(examination, stream, where)
    if not is_learner(document):  # 2
        raise UnscannedError("UBJSON that is not a model of XGBoost", where)
    check_learner(document)
    return Format.XGBOOST_UBJ


class _Reader:
    """A reader of values, with limits for their depth and number."""

    def __init__(self, stream: ByteStream, size: int) -> None:
        self._stream = stream
        self._size = size
        self._values = 0

    def read(self, kind: bytes, depth: int) -> Any:
        """Read a value of a type."""
        self._values += 1
        if depth > _DEEPEST or self._values > _MOST_VALUES:
            raise UnscannedError("UBJSON with too many values, or nested too deeply")
        if kind in _NUMBERS:
            code = ">" + _NUMBERS[kind]
            return struct.unpack(code, self._stream.read(struct.calcsize(code)))[0]
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind in (b"S", b"H"):
            return self._text(self._length())
        if kind == b"C":
            return self._text(1)
        if kind == b"[":
            return self._list(depth)
        if kind == b"{":
            return self._object(depth)
        raise UnscannedError("UBJSON with an unknown type")

    def _length(self) -> int:
        kind = self._stream.read(1)
        if kind not in _INTEGERS:
            raise UnscannedError("UBJSON with a length that is not a number")
        length = self.read(kind, 0)
        if not isinstance(length, int) or not 0 <= length <= self._size:
            raise UnscannedError("UBJSON with a length beyond the file")
        return length

    def _text(self, length: int) -> str:
        try:
            return self._stream.read(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnscannedError("UBJSON with text that is not UTF-8") from error

    def _header(self) -> tuple[bytes | None, int | None]:
        """Read the type and the number of the items that a container may announce."""
        kind = None
        if self._stream.peek(1) == b"$":
            self._stream.read(1)
            kind = self._stream.read(1)
            if kind not in _NUMBERS or self._stream.peek(1) != b"#":
                raise UnscannedError("UBJSON list of a type that XGBoost does not write")
        if self._stream.peek(1) != b"#":
            return kind, None
        self._stream.read(1)
        return kind, self._length()

    def _list(self, depth: int) -> Any:
        kind, count = self._header()
        if kind is not None and count is not None:
            return self._numbers(_NUMBERS[kind], count)
        items: list[Any] = []
        while count is None or len(items) < count:
            mark = self._stream.read(1)
            if count is None and mark == b"]":
                break
            items.append(self.read(mark, depth + 1))
        return items

    def _numbers(self, code: str, count: int) -> Any:
        """Read a list of numbers of one type."""
        numbers = array.array(code)
        if numbers.itemsize * count > self._size:
            raise UnscannedError("UBJSON with a length beyond the file")
        numbers.frombytes(self._stream.read(numbers.itemsize * count))
        if sys.byteorder == "little":
            numbers.byteswap()
        return numbers

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._header()
        if kind is not None:
            raise UnscannedError("UBJSON object of a type that XGBoost does not write")
        made: dict[str, Any] = {}
        while count is None or len(made) < count:
            if count is None and self._stream.peek(1) == b"}":
                self._stream.read(1)
                break
            key = self._text(self._length())
            if key in made:
                raise UnscannedError("UBJSON object with a repeated key")
            made[key] = self.read(self._stream.read(1), depth + 1)
        return made
