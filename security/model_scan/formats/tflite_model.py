"""TensorFlow Lite models: a FlatBuffers table of graphs, tensors, operators and buffers.

Follows tensorflow/lite/schema/schema.fbs (version 3). The interpreter uses its indexes and lengths;
an operator of its own name runs code of the host, and `Flex` operators are those of TensorFlow,
which read and write files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from security.model_scan.byte_stream import ByteContent
from security.model_scan.examination import Examination
from security.model_scan.formats.flatbuffer import FlatTable, open_root
from security.model_scan.formats.positions import Positions
from security.model_scan.report import Format, ScanLocation, ScanSeverity, UnscannedError, quote

_MAGIC, _MAGIC_OFFSET = b"TFL3", 4
_CODES, _GRAPHS, _BUFFERS, _METADATA_BUFFERS, _METADATA = 1, 2, 4, 5, 6
_CUSTOM_CODE, _OLD_CODE, _CODE = 1, 0, 3
_CUSTOM = 32
_DATA, _OFFSET, _SIZE = 0, 1, 2
_TENSORS, _INPUTS, _OUTPUTS, _OPERATORS = 0, 1, 2, 3
_SHAPE, _TYPE, _BUFFER = 0, 1, 2
_OPCODE, _READS, _WRITES, _INTERMEDIATES = 0, 1, 2, 8
_LARGE_OFFSET, _LARGE_SIZE = 9, 10
#: Bits of one element by type; texts, resources and variants have none.
_BITS = {
    **{0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 8: 64, 9: 8, 10: 64, 11: 128},
    **{12: 64, 15: 32, 16: 16, 17: 4, 18: 16},
}
# Operators of TensorFlow Lite itself that have names instead of numbers.
_KNOWN = frozenset(
    (
        "AudioSpectrogram Mfcc TFLite_Detection_PostProcess NumericVerify AveragePool3D MaxPool3D"
        " Convolution2DTransposeBias MaxPoolingWithArgmax2D MaxUnpooling2D Irfft2d Multinomial"
        " RandomStandardNormal RandomUniform"
    ).split()
)
_WRONG = "TensorFlow Lite model with an index that it does not have"


def starts_like_tflite(head: bytes, _: int | None) -> bool:
    """Say whether content has the identifier of the format."""
    return head[_MAGIC_OFFSET : _MAGIC_OFFSET + len(_MAGIC)] == _MAGIC


def judge_tflite(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan a model.

    1. Every operator is one of TensorFlow Lite; others are findings.
    2. Buffers are inside the file, and the length of each tensor is that of its buffer.
    3. Indexes of tensors, buffers and operators are in range.

    Raises:
        UnscannedError: step 2 or 3 fails.
    """
    file = Positions(content, "TensorFlow Lite")
    model = open_root(file, 0)
    codes = list(model.tables(_CODES))
    for code in codes:  # 1
        number = code.number(_CODE, 4) or code.number(_OLD_CODE, 1)
        name = code.text(_CUSTOM_CODE)
        if (name or number == _CUSTOM) and name not in _KNOWN:
            message = f"operator outside TensorFlow Lite runs code of the host: {quote(name)}"
            examination.find("tflite-operator", ScanSeverity.MEDIUM, message, where, quote(name))
    buffers = [_measure(file, buffer) for buffer in model.tables(_BUFFERS)]  # 2
    graphs = list(model.tables(_GRAPHS))
    if not graphs:
        raise UnscannedError("TensorFlow Lite model without a graph", where)
    _check_indexes(model.numbers(_METADATA_BUFFERS, "i"), len(buffers))
    _check_indexes((one.number(1, 4) for one in model.tables(_METADATA)), len(buffers))
    for graph in graphs:
        _check_graph(file, graph, buffers, len(codes))  # 3
    return Format.TFLITE


def _measure(file: Positions, buffer: FlatTable) -> int:
    """Return the length of a buffer: in the table, or at an offset after it."""
    _, length = buffer.vector(_DATA, 1)
    offset, size = buffer.number(_OFFSET, 8), buffer.number(_SIZE, 8)
    if offset > 1 or size:
        file.check(offset, size)
        return size
    return length


def _check_graph(file: Positions, graph: FlatTable, buffers: list[int], codes: int) -> None:
    """Check the tensors and operators of a graph."""
    tensors = list(graph.tables(_TENSORS))
    for tensor in tensors:
        _check_tensor(tensor, buffers)
    for field in (_INPUTS, _OUTPUTS):
        _check_indexes(graph.numbers(field, "i"), len(tensors), least=-1)
    for operator in graph.tables(_OPERATORS):
        _check_indexes([operator.number(_OPCODE, 4)], codes)
        for field in (_READS, _WRITES, _INTERMEDIATES):
            _check_indexes(operator.numbers(field, "i"), len(tensors), least=-1)
        offset, size = operator.number(_LARGE_OFFSET, 8), operator.number(_LARGE_SIZE, 8)
        if offset > 1 or size:
            file.check(offset, size)


def _check_tensor(tensor: FlatTable, buffers: list[int]) -> None:
    """Compare the length of a tensor with that of its buffer."""
    index, shape = tensor.number(_BUFFER, 4), tensor.numbers(_SHAPE, "i")
    _check_indexes([index], len(buffers))
    if min(shape, default=0) < -1:
        raise UnscannedError("TensorFlow Lite tensor with a negative length")
    bits = _BITS.get(tensor.number(_TYPE, 1))
    held = buffers[index]
    if index == 0 or held == 0 or bits is None or -1 in shape:
        return
    if (math.prod(shape) * bits + 7) // 8 > held:
        raise UnscannedError("TensorFlow Lite tensor that is larger than its buffer")


def _check_indexes(indexes: Iterable[int], count: int, least: int = 0) -> None:
    if not all(least <= index < count for index in indexes):
        raise UnscannedError(_WRONG)
