"""The tensors of ONNX models: their shape against their data, in the model or in another file."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from security.model_scan.report import UnscannedError

#: Bits of one element, by `TensorProto.DataType`; texts (8) have none.
BITS = {
    **{1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64},
    **{14: 64, 15: 128, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2},
    26: 2,
}
DIMENSIONS, TYPE, RAW = 1, 2, 9
_NUMBER = re.compile(r"[0-9]{1,18}")
_TEXT = 8
_MOST_BYTES = 1 << 62


@dataclass(slots=True)
class Tensor:
    """What the fields of one tensor say.

    Attributes:
        kind: the type of its elements.
        raw: the number of bytes in the raw field; None without one.
        external: the pairs about another file.

    ONNX Runtime maps the range of another file, and believes its offset and length.
    """

    dimensions: list[int] = field(default_factory=list)
    kind: int = 0
    raw: int | None = None
    external: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int | None:
        """The size in bytes that shape and type give; None for texts.

        Raises:
            UnscannedError: the type is unknown, or the shape is no shape.
        """
        if any(one < 0 for one in self.dimensions) or len(self.dimensions) > 64:
            raise UnscannedError("ONNX tensor with a negative length")
        elements = math.prod(self.dimensions)
        if elements >= _MOST_BYTES:
            raise UnscannedError("ONNX tensor with a shape that overflows")
        if self.kind == _TEXT:
            return None
        if self.kind not in BITS:
            raise UnscannedError("ONNX tensor of an unknown type")
        return (elements * BITS[self.kind] + 7) // 8

    @property
    def end(self) -> int:
        """Where its weights end in another file."""
        length = self.external.get("length", str(self.size or 0))
        return int(self.external.get("offset", "0")) + int(length)


def check_tensor(tensor: Tensor) -> None:
    """Compare the data of a tensor with its shape.

    Raises:
        UnscannedError: they disagree.
    """
    size = tensor.size
    offset, length = tensor.external.get("offset", "0"), tensor.external.get("length", "0")
    if not _NUMBER.fullmatch(offset) or not _NUMBER.fullmatch(length):
        raise UnscannedError("ONNX tensor with a range in another file that is none")
    if "length" in tensor.external and size is not None and int(length) != size:
        raise UnscannedError("ONNX tensor whose data has another length than its shape")
    if size is None or tensor.external:
        return
    if tensor.raw is not None and tensor.raw != size:
        raise UnscannedError("ONNX tensor whose data has another length than its shape")
