"""The one answer to "is this file a model", from its content alone.

The gate writes the answer into its result, the ending of a run signs what the result calls a model,
bills describe it, and ``verify`` asks again about the bytes that it reads. A declaration or a name
can make a file a model as well, but none can take that away.

1. The format is one that only models have. Formats with few magic bytes must show more of them.
2. A loader makes objects of it: pickles, arrays of objects, HDF5 that Keras reads.
3. To a loader that starts elsewhere it is an archive or HDF5, and has the names of a model in it.
4. An archive or a compressed file is a model if something in it is one. One that cannot be searched
   to its end, or is nested too deeply, counts as a model: then it gets a signature that it may not
   need, and no model stays without one.

The search reads the first bytes of each file and member, in this process, within limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from security.content.out_files import open_data
from security.model_scan.byte_stream import ByteContent, ByteStream, Stored
from security.model_scan.compression import Budget, Compressed, SpentError
from security.model_scan.format import recognise
from security.model_scan.formats.archives import METHODS, open_member
from security.model_scan.formats.loader_marker import KERAS, ZIP_NAMES, holds
from security.model_scan.formats.numpy_arrays import holds_objects
from security.model_scan.formats.onnx_model import has_graph
from security.model_scan.formats.polyglot import is_other_format
from security.model_scan.formats.skops_schema import SCHEMA, may_be_schema
from security.model_scan.formats.tar_archive import read_members
from security.model_scan.formats.zip_directory import read_directory
from security.model_scan.limits import KIBI, MEBI, ScanLimits
from security.model_scan.pickle.pickle_reader import acts_as_pickle, has_header
from security.model_scan.report import Format, UnscannedError

_START = 64 * KIBI
_DEEPEST = 4
_LIMITS = replace(ScanLimits(), unpacked=1024 * MEBI, opcodes=20_000, line=_START, frame=_START)
_MODELS = frozenset(
    {
        Format.CATBOOST,
        Format.GGUF,
        Format.KERAS,
        Format.SAFETENSORS,
        Format.TFLITE,
        Format.TORCH_LEGACY,
    }
)
#: What models of formats with few magic bytes have further on.
_MARKERS = {Format.LIGHTGBM: b"version=", Format.XGBOOST_UBJ: b"learner"}
_KERAS_WEIGHTS = "model.weights.h5"


def is_model(descriptor: int, size: int) -> bool:
    """Say whether an open file is a model."""
    content = Stored(descriptor, 0, size)
    try:
        return _Search(Budget(_LIMITS, size)).is_model(content, 0)
    except SpentError:
        return True  # 4
    except Exception:  # a defect of a reader must not take a model's signature away
        return True


def holds_model(path: Path) -> bool:
    """Say whether a file is a model, or a directory has one. Links are followed, as readers do."""
    return any(is_model(file.descriptor, file.identity[2]) for file in open_data(path))


@dataclass(frozen=True, slots=True)
class _Held:
    """Bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.data)

    def open(self) -> ByteStream:
        """Return a stream from the first byte."""
        return ByteStream(_Piece(self.data))


class _Piece:
    """The bytes of ``_Held``, read once."""

    def __init__(self, data: bytes) -> None:
        self._left = data

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes."""
        piece, self._left = self._left[:size], self._left[size:]
        return piece

    def skip(self, size: int) -> int:
        """Skip at most ``size`` bytes and return their number."""
        return len(self.read(size))


@dataclass(frozen=True, slots=True)
class _Search:
    """The search of one file."""

    budget: Budget

    def is_model(self, content: ByteContent, depth: int) -> bool:
        """Say whether content is a model, or has one in it."""
        if depth > _DEEPEST:
            return True  # 4
        found = Format.UNKNOWN
        try:
            found = recognise(content)
            is_model = self._is_model(content, found, depth)
        except SpentError:
            raise
        except UnscannedError as error:
            is_model = error.capable
        return is_model or _is_hidden(content, found)

    def _is_model(self, content: ByteContent, found: Format, depth: int) -> bool:
        if found in _MODELS:  # 1
            return True
        if found in _MARKERS:
            return _MARKERS[found] in content.open().peek(_START)
        if found is Format.ONNX:
            return has_graph(content)
        if found is Format.PICKLE:  # 2
            return has_header(content)
        if found is Format.NPY:
            return holds_objects(content)
        if found is Format.HDF5:
            return holds(content, KERAS)
        return any(self._search(inner, depth + 1) for inner in self._inside(content, found))  # 4

    def _search(self, inner: ByteContent | None, depth: int) -> bool:
        return inner is None or self.is_model(inner, depth)

    def _inside(self, content: ByteContent, found: Format) -> Iterator[ByteContent | None]:
        """Yield what is in an archive or compressed file; None for a part that is not seen."""
        try:
            if found in METHODS:
                yield Compressed(content, METHODS[found], self.budget)
            elif found is Format.ZIP and not isinstance(content, Stored):
                yield None
            elif found is Format.ZIP and isinstance(content, Stored):
                for member in read_directory(content, _LIMITS):
                    inner = open_member(self.budget, member)
                    is_schema = member.name == SCHEMA and may_be_schema(inner, _LIMITS)
                    yield None if is_schema or member.name == _KERAS_WEIGHTS else inner
            elif found is Format.TAR:
                stream = content.open()
                for number, one in enumerate(read_members(stream)):
                    yield None if number >= _LIMITS.members else _start_of(stream, one.size)
        except SpentError:
            raise
        except UnscannedError:
            if found is not Format.ZIP or holds(content, ZIP_NAMES):
                yield None


def _start_of(stream: ByteStream, size: int) -> ByteContent:
    """Return the first bytes of a member of a tar archive, without leaving its start."""
    return _Held(stream.peek(min(size, _START))[:size])


def _is_hidden(content: ByteContent, found: Format) -> bool:
    """Say whether content of another format is a model to a loader that ignores the first bytes."""
    searched = found in (Format.ZIP, Format.TAR)
    if not searched and isinstance(content, Stored) and is_other_format(content):  # 3
        return holds(content, (*ZIP_NAMES, *KERAS))
    try:
        start = _Held(content.open().peek(_START)[:_START])
    except SpentError:
        raise
    except UnscannedError as error:
        return error.capable
    return acts_as_pickle(start, _LIMITS)
