"""PyTorch's legacy files: five pickles in a row, then the raw memory of the storages.

The zip format has the same inner pickle; see `archives`. The loader is `_legacy_load` in
torch/serialization.py; persistent ids refer to the storages of tensors.
"""

from __future__ import annotations

from security.model_scan.byte_stream import ByteContent, ByteStream
from security.model_scan.examination import Examination
from security.model_scan.pickle.pickle_reader import check_end, judge_stream, read_storages
from security.model_scan.pickle.pickle_values import Persistent
from security.model_scan.pickle.torch_storage import Storage, parse_storage
from security.model_scan.report import Format, ScanLocation, ScanSeverity, UnscannedError

# pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2), the first bytes of every legacy file.
MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
_HEADER_PICKLES = 3  # the magic number, the protocol's version, the system's word sizes
_LENGTH_BYTES = 8


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
    """Skip the storages, which PyTorch writes in the order of their keys.

    Every header must hold the length of a storage that is still left. Storages of one length may
    have any order, if their elements have one size.
    """
    left = sorted(storages, key=lambda one: one.key)
    while left:
        count = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        fitting = [one for one in left if one.count == count]
        if not fitting or (len({one.item for one in fitting}) > 1 and fitting[0] != left[0]):
            raise UnscannedError("ambiguous or unknown storage length", where.at(stream.position))
        left.remove(fitting[0])
        stream.skip(count * fitting[0].item)


def judge_object(
    examination: Examination, content: ByteContent, where: ScanLocation
) -> dict[str, int]:
    """Scan the pickle of a zip file; return the sizes in bytes of the storages that it refers to.

    Raises:
        UnscannedError: the pickle gives two sizes to one storage.
    """
    stream = content.open()
    _, identities = read_storages(examination, stream, where)
    check_end(examination, stream, where)
    sizes: dict[str, int] = {}
    for one in identities:
        if parse_storage(one) is None:
            message = "persistent id does not refer to the storage of a tensor"
            examination.find("torch-persistent-id", ScanSeverity.HIGH, message, where)
        storage = read_storage(one)
        if sizes.setdefault(storage.key, storage.size) != storage.size:
            raise UnscannedError("storage of a tensor with two sizes", where)
    return sizes


def read_storage(persistent: Persistent) -> Storage:
    """Parse the persistent id of a storage.

    Raises:
        UnscannedError: the id is not PyTorch's, so the file is made for another loader.
    """
    storage = parse_storage(persistent)
    if storage is None:
        raise UnscannedError("persistent id does not refer to the storage of a tensor")
    return storage
