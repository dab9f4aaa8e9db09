"""Polyglot files: an array to one loader, for example, and an archive to another."""

from __future__ import annotations

import os
import struct

from security.model_scan.byte_stream import Stored
from security.model_scan.examination import Examination
from security.model_scan.formats.loader_marker import KERAS, holds
from security.model_scan.formats.tar_archive import BLOCK, starts_like_tar
from security.model_scan.pickle.pickle_reader import judge_accident
from security.model_scan.report import Format, ScanLocation, ScanPurpose, ScanSeverity

_ZIP_END = struct.Struct("<4s4H2LH")
_ZIP_TAIL = _ZIP_END.size + 0xFFFF
_HDF5 = b"\x89HDF\r\n\x1a\n"
# The members of a tar archive are scanned: its end may be the end of a zip archive in it.
_ARCHIVES = (Format.ZIP, Format.NPZ, Format.TORCH, Format.SKOPS, Format.KERAS, Format.TAR)
PICKLES = (Format.PICKLE, Format.JOBLIB, Format.TORCH_LEGACY)


def find_other_readings(
    examination: Examination, content: Stored, found: Format, where: ScanLocation
) -> None:
    """Find other formats of a file, for loaders that detect them without its first bytes.

    1. Loaders find a zip archive from its end: any content can precede one.
    2. Tar archives have no magic number in common, only a checksum over their first block.
    3. HDF5 looks for its signature at 0, 512, 1024 and so on. In data only Keras makes code of it.
    4. A pickle can begin with any operation, also with the first bytes of other formats.

    Raises:
        UnscannedError: the content reads as a pickle beyond a limit, so the scan is inconclusive.
    """
    others = _other_formats(content, found)
    if "HDF5 file" in others and _is_plain(examination, content):
        others.remove("HDF5 file")
    for other in others:
        message = f"the file is also a {other}, which this scan does not cover"
        examination.find("polyglot", ScanSeverity.HIGH, message, where, other)
    if found not in PICKLES:
        judge_accident(examination, content, where)  # 4


def is_other_format(content: Stored) -> bool:
    """Say whether content of no known format is an archive or HDF5 further on."""
    return bool(_other_formats(content, Format.UNKNOWN))


def _other_formats(content: Stored, found: Format) -> list[str]:
    """Return the other formats of content: steps 1 to 3."""
    others = []
    if found not in _ARCHIVES and _ends_in_zip(content):
        others.append("zip archive")  # 1
    if found is not Format.TAR and starts_like_tar(_read(content, 0, BLOCK)):
        others.append("tar archive")  # 2
    offset = BLOCK
    while offset < content.size:
        if _read(content, offset, len(_HDF5)) == _HDF5:
            others.append("HDF5 file")  # 3
            break
        offset *= 2
    return others


def _is_plain(examination: Examination, content: Stored) -> bool:
    """Say whether HDF5 is data: MATLAB, for example, puts a text before it."""
    return examination.purpose is ScanPurpose.DATA and not holds(content, KERAS)


def _read(content: Stored, offset: int, size: int) -> bytes:
    """Return bytes of the file, fewer at its end."""
    left = max(0, min(size, content.size - offset))
    return os.pread(content.descriptor, left, content.start + offset)


def _ends_in_zip(content: Stored) -> bool:
    """Say whether an end record, at any place where readers look, follows a directory."""
    start = max(0, content.size - _ZIP_TAIL)
    tail = _read(content, start, _ZIP_TAIL)
    position = tail.rfind(b"PK\x05\x06")
    while position >= 0:
        if len(tail) - position >= _ZIP_END.size:
            size = _ZIP_END.unpack_from(tail, position)[5]
            before = _read(content, start + position - size, 4) if size <= start + position else b""
            wide = tail[max(0, position - 20) : position].startswith(b"PK\x06\x07")
            if wide or before == b"PK\x01\x02":
                return True
        position = tail.rfind(b"PK\x05\x06", 0, position)
    return False
