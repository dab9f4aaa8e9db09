"""Detection of a format from the first bytes. File names do not count: loaders ignore them too."""

from __future__ import annotations

from security.model_scan import lz4_frame
from security.model_scan.byte_stream import ByteContent
from security.model_scan.formats import (
    numpy_arrays,
    onnx_model,
    tar_archive,
    torch_checkpoint,
    zip_directory,
)
from security.model_scan.formats.json_document import starts_like_json
from security.model_scan.formats.native_formats import NATIVE
from security.model_scan.formats.safetensors_header import starts_like_safetensors
from security.model_scan.pickle.pickle_operations import starts_like_pickle
from security.model_scan.report import UNKNOWN_FORMAT, Format, UnscannedError

_HEAD = tar_archive.BLOCK
_MAGIC = {
    zip_directory.MAGIC: Format.ZIP,
    numpy_arrays.MAGIC: Format.NPY,
    torch_checkpoint.MAGIC: Format.TORCH_LEGACY,
    b"\x1f\x8b": Format.GZIP,
    b"BZh": Format.BZIP2,
    b"\xfd7zXZ\x00": Format.XZ,
    b"\x5d\x00\x00": Format.LZMA,
    lz4_frame.MAGIC: Format.LZ4,
}
_JOBLIB = b"ZF"
# Formats of real models that the scanner does not support, with a specific reason for each.
_REFUSED = {
    b"\x28\xb5\x2f\xfd": "unsupported compression: zstandard",
    _JOBLIB: "unsupported format: compressed file of joblib before 0.10",
    b"PK\x05\x06": "zip archive without members",
}


def recognise(content: ByteContent) -> Format:
    """Return the format of content.

    Raises:
        UnscannedError: the content is empty, or its format is unsupported or unknown.
    """
    head = content.open().peek(_HEAD)
    if not head:
        raise UnscannedError("the file is empty")
    for magic, found in _MAGIC.items():
        if head.startswith(magic):
            return found
    for magic, reason in _REFUSED.items():
        if head.startswith(magic):
            raise UnscannedError(reason, capable=magic == _JOBLIB)
    for native in NATIVE:
        if native.starts(head, content.size):
            return native.format
    if starts_like_safetensors(head, content.size):
        return Format.SAFETENSORS
    if tar_archive.starts_like_tar(head):
        return Format.TAR
    if onnx_model.starts_like_onnx(head):
        return Format.ONNX
    if _starts_like_zlib(head):
        return Format.ZLIB
    if starts_like_json(head):
        return Format.JSON
    if starts_like_pickle(head):
        return Format.PICKLE
    raise UnscannedError(UNKNOWN_FORMAT)


def _starts_like_zlib(head: bytes) -> bool:
    """Say whether content starts with a zlib header: deflate, 32 KiB window, right check bits."""
    return head[0] == 0x78 and len(head) > 1 and int.from_bytes(head[:2], "big") % 31 == 0
