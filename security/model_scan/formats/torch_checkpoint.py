"""PyTorch's legacy files: five pickles in a row, then the storages as they are in memory.

The zip format has the same inner pickle and is taken apart in `archives`. What the loader does is
torch/serialization.py, `_legacy_load`; tensors' storages come from persistent ids.
"""

from __future__ import annotations

from dataclasses import dataclass

from security.model_scan.byte_stream import ByteContent, ByteStream
from security.model_scan.examination import Examination
from security.model_scan.pickle.allowed_globals import ALLOWED
from security.model_scan.pickle.pickle_reader import check_end, judge_stream, read_storages
from security.model_scan.pickle.pickle_values import Global, Persistent, Value
from security.model_scan.report import Format, ScanLocation, ScanSeverity, UnscannedError

# pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2), with which every legacy file begins.
MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
_HEADER_PICKLES = 3  # the magic number, the protocol's version, the system's word sizes
_LENGTH_BYTES = 8
_ITEM = {
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
    "ShortStorage": 2,
    "UntypedStorage": 1,
}


@dataclass(frozen=True, slots=True)
class Storage:
    """The memory of tensors: its key in the file, the size of an element, and how many."""

    key: str
    item: int
    count: int


def judge_checkpoint(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Judge a legacy file.

    1. The three pickles of the header, the object's pickle and the list of keys are all judged.
    2. Each storage has the length that its id and its own header say; nothing follows the last.

    Raises:
        UnscannedError: it is not of this form.
    """
    stream = content.open()
    for _ in range(_HEADER_PICKLES):  # 1
        judge_stream(examination, stream, where)
    _, identities = read_storages(examination, stream, where)
    judge_stream(examination, stream, where)
    storages = {one.key: one for one in map(read_storage, identities)}
    _skip_storages(stream, list(storages.values()), where)  # 2
    check_end(examination, stream, where)
    return Format.TORCH_LEGACY


def _skip_storages(stream: ByteStream, storages: list[Storage], where: ScanLocation) -> None:
    """Pass over the storages, which come in an order that only the list of keys tells.

    The lengths of all are known, so the order is not needed: every header must be the length of
    one that has not come yet and has elements of the size at hand.
    """
    left = list(storages)
    while left:
        count = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        fitting = [one for one in left if one.count == count]
        if not fitting or len({one.item for one in fitting}) > 1:
            raise UnscannedError("a storage's length is not told apart", where.at(stream.position))
        left.remove(fitting[0])
        stream.skip(count * fitting[0].item)


def judge_object(examination: Examination, content: ByteContent, where: ScanLocation) -> set[str]:
    """Judge the pickle of a zip file; return the keys of the storages that it asks for."""
    stream = content.open()
    _, identities = read_storages(examination, stream, where)
    check_end(examination, stream, where)
    for one in identities:
        if not _is_storage(one.identity):
            message = "loading asks for an object that is not a tensor's storage"
            examination.find("torch-persistent-id", ScanSeverity.HIGH, message, where)
    return {read_storage(one).key for one in identities}


def _is_storage(identity: Value) -> bool:
    """Say whether a persistent id is one of PyTorch's own."""
    if not isinstance(identity, tuple) or len(identity) not in (5, 6):
        return False
    kind, storage, key, place, count = identity[:5]
    named = isinstance(storage, Global) and storage in ALLOWED and storage.name in _ITEM
    plain = isinstance(key, str) and isinstance(place, str) and type(count) is int
    return kind == "storage" and named and plain


def read_storage(persistent: Persistent) -> Storage:
    """Read a storage's id.

    Raises:
        UnscannedError: it is not one, so that another loader than PyTorch's must be meant.
    """
    identity = persistent.identity
    if not _is_storage(identity) or not isinstance(identity, tuple):
        raise UnscannedError("a persistent id is not that of a tensor's storage")
    return Storage(identity[2], _ITEM[identity[1].name], identity[4])
