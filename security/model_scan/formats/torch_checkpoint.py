"""PyTorch's legacy files: five pickles in a row, then the raw memory of the storages.

The zip format has the same inner pickle; see `archives`. The loader is `_legacy_load` in
torch/serialization.py; persistent ids refer to the storages of tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

from security.model_scan.byte_stream import ByteContent, ByteStream
from security.model_scan.examination import Examination
from security.model_scan.pickle.allowed_globals import ALLOWED
from security.model_scan.pickle.pickle_reader import check_end, judge_stream, read_storages
from security.model_scan.pickle.pickle_values import Global, Persistent, Value
from security.model_scan.report import Format, ScanLocation, ScanSeverity, UnscannedError

# pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2), the first bytes of every legacy file.
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
    """The memory of tensors: its key in the file, the size of an element, and their number."""

    key: str
    item: int
    count: int


def judge_checkpoint(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan a legacy file.

    1. Scan the three pickles of the header, the object's pickle and the list of keys.
    2. Check that the header of each storage has the length of an id, and that nothing follows.

    Raises:
        UnscannedError: the file is not of this form.
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
    """Skip the storages without their order, which only the list of keys gives.

    Every header must hold the length of a storage that is still left, and all storages left with
    this length must have elements of one size.
    """
    left = list(storages)
    while left:
        count = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        fitting = [one for one in left if one.count == count]
        if not fitting or len({one.item for one in fitting}) > 1:
            raise UnscannedError("ambiguous or unknown storage length", where.at(stream.position))
        left.remove(fitting[0])
        stream.skip(count * fitting[0].item)


def judge_object(examination: Examination, content: ByteContent, where: ScanLocation) -> set[str]:
    """Scan the pickle of a zip file; return the keys of the storages that it refers to."""
    stream = content.open()
    _, identities = read_storages(examination, stream, where)
    check_end(examination, stream, where)
    for one in identities:
        if not _is_storage(one.identity):
            message = "persistent id does not refer to the storage of a tensor"
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
    """Parse the persistent id of a storage.

    Raises:
        UnscannedError: the id is not PyTorch's, so the file is made for another loader.
    """
    identity = persistent.identity
    if not _is_storage(identity) or not isinstance(identity, tuple):
        raise UnscannedError("persistent id does not refer to the storage of a tensor")
    return Storage(identity[2], _ITEM[identity[1].name], identity[4])
