"""The storages of PyTorch: what a persistent id says about the memory of tensors."""

from __future__ import annotations

from dataclasses import dataclass

from security.model_scan.pickle.pickle_values import Global, Persistent, Value

#: The size in bytes of one element of a storage, by the name of its class.
ITEM = {
    "BFloat16Storage": 2,
    "BoolStorage": 1,
    "ByteStorage": 1,
    "CharStorage": 1,
    "ComplexDoubleStorage": 16,
    "ComplexFloatStorage": 8,
    "DoubleStorage": 8,
    "FloatStorage": 4,
    "HalfStorage": 2,
    "IntStorage": 4,
    "LongStorage": 8,
    "QInt32Storage": 4,
    "QInt8Storage": 1,
    "QUInt2x4Storage": 1,
    "QUInt4x2Storage": 1,
    "QUInt8Storage": 1,
    "ShortStorage": 2,
    "UntypedStorage": 1,
}
#: Elements of a tensor in one element of its storage, for packed types.
PACKED = {"QUInt2x4Storage": 4, "QUInt4x2Storage": 2}
_MODULES = ("torch", "torch.storage")
_MOST_BYTES = 1 << 62


@dataclass(frozen=True, slots=True)
class Storage:
    """The memory of tensors: its class, its key in the file and the number of its elements."""

    kind: str
    key: str
    count: int

    @property
    def item(self) -> int:
        """The size of one element in bytes."""
        return ITEM[self.kind]

    @property
    def size(self) -> int:
        """The size of all elements in bytes."""
        return self.count * self.item


def parse_storage(persistent: Value) -> Storage | None:
    """Return the storage of a persistent id; None if the id is not PyTorch's own."""
    identity = persistent.identity if isinstance(persistent, Persistent) else None
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[5:] not in _VIEWS:
        return None
    kind, storage, key, place, count = identity[:5]
    named = isinstance(storage, Global) and storage.module in _MODULES and storage.name in ITEM
    if kind != "storage" or not named or not isinstance(key, str) or not isinstance(place, str):
        return None
    if type(count) is not int or not 0 <= count < _MOST_BYTES:
        return None
    return Storage(storage.name, key, count)


_VIEWS = ((), (None,))
