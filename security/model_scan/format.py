"""Recognising what content is by its first bytes; loaders do not go by names either."""

from __future__ import annotations

from security.model_scan.byte_stream import ByteContent
from security.model_scan.formats import numpy_arrays, onnx_model, torch_checkpoint, zip_directory
from security.model_scan.formats.json_document import starts_like_json
from security.model_scan.formats.safetensors_header import starts_like_safetensors
from security.model_scan.pickle.pickle_operations import starts_like_pickle
from security.model_scan.report import Format, UnscannedError

_HEAD = 64
_MAGIC = {
    zip_directory.MAGIC: Format.ZIP,
    numpy_arrays.MAGIC: Format.NPY,
    torch_checkpoint.MAGIC: Format.TORCH_LEGACY,
    b"\x1f\x8b": Format.GZIP,
    b"BZh": Format.BZIP2,
    b"\xfd7zXZ\x00": Format.XZ,
    b"\x5d\x00\x00": Format.LZMA,
}
# Formats that people do give as models, for a reason that says more than "not known".
_REFUSED = {
    b"\x04\x22\x4d\x18": "compressed with lz4, which is not read here",
    b"\x28\xb5\x2f\xfd": "compressed with zstandard, which is not read here",
    b"\x89HDF\r\n\x1a\n": "HDF5, which can hold code (Keras layers)",
    b"GGUF": "GGUF, which is not read here",
    b"ZF": "a compressed file of joblib before 0.10, which is not read here",
    b"PK\x05\x06": "a zip archive without members",
}


def recognise(content: ByteContent) -> Format:
    """Say what content is.

    Raises:
        UnscannedError: nothing that can be judged.
    """
    head = content.open().peek(_HEAD)
    if not head:
        raise UnscannedError("the file is empty")
    for magic, found in _MAGIC.items():
        if head.startswith(magic):
            return found
    for magic, reason in _REFUSED.items():
        if head.startswith(magic):
            raise UnscannedError(reason)
    if starts_like_safetensors(head, content.size):
        return Format.SAFETENSORS
    if onnx_model.starts_like_onnx(head):
        return Format.ONNX
    if _starts_like_zlib(head):
        return Format.ZLIB
    if starts_like_json(head):
        return Format.JSON
    if starts_like_pickle(head):
        return Format.PICKLE
    raise UnscannedError("not a format that can be judged")


def _starts_like_zlib(head: bytes) -> bool:
    """Say whether content starts with a zlib header: deflate, 32 KiB window, right check bits."""
    return head[0] == 0x78 and len(head) > 1 and int.from_bytes(head[:2], "big") % 31 == 0
