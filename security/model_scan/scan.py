"""The scan of one model file in this process. Scan untrusted files with `child`."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from security.model_scan.byte_stream import ByteContent, Stored
from security.model_scan.compression import Budget
from security.model_scan.examination import Examination
from security.model_scan.format import recognise
from security.model_scan.formats.archives import judge_archive, judge_layer
from security.model_scan.formats.json_document import judge_document
from security.model_scan.formats.numpy_arrays import judge_array
from security.model_scan.formats.onnx_model import judge_model
from security.model_scan.formats.polyglot import PICKLES, find_other_readings
from security.model_scan.formats.safetensors_header import judge_tensors
from security.model_scan.formats.torch_checkpoint import judge_checkpoint
from security.model_scan.limits import ScanLimits
from security.model_scan.pickle.pickle_reader import judge_accident, judge_pickle
from security.model_scan.report import Format, Scan, ScanLocation, UnscannedError

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_model(path: Path | str) -> int:
    """Open a file for a scan and return its descriptor.

    Raises:
        UnscannedError: the path is a symbolic link, not a regular file, or cannot be opened.
    """
    try:
        descriptor = os.open(path, _OPEN)
    except (OSError, ValueError) as error:
        if os.path.islink(path):
            raise UnscannedError("the path is a symbolic link") from error
        what = getattr(error, "strerror", None) or "not a path"
        raise UnscannedError(f"cannot open file: {what.lower()}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnscannedError("the path is not a regular file")
    return descriptor


def scan_file(path: Path | str, limits: ScanLimits | None = None) -> Scan:
    """Scan the file at a path in this process.

    No code of the file runs, but hostile bytes can make the scanner use memory and time: scan
    untrusted files with `child.scan_in_child`.
    """
    try:
        descriptor = open_model(path)
    except UnscannedError as error:
        return Scan(Format.UNKNOWN, (), str(error), 0)
    try:
        return scan_descriptor(descriptor, limits or ScanLimits())
    finally:
        os.close(descriptor)


def scan_descriptor(descriptor: int, limits: ScanLimits) -> Scan:
    """Scan an open file.

    1. Detect the format from the first bytes, and follow what the loaders of that format would do.
    2. Find other formats, for loaders that do not start at the first byte.
    3. Check that the size and the time of the file have not changed during the scan.

    Any error leaves the file unjudged, with the findings so far.
    """
    return _scan(descriptor, limits, bystander=False)


def scan_bystander(descriptor: int, limits: ScanLimits) -> Scan:
    """Scan an open file that is not a model: ``scan_descriptor`` without step 1."""
    return _scan(descriptor, limits, bystander=True)


def _scan(descriptor: int, limits: ScanLimits, bystander: bool) -> Scan:
    before = os.fstat(descriptor)
    content = Stored(descriptor, 0, before.st_size)
    examination = Examination(limits, Budget(limits, content.size), judge_content)
    found, where = Format.UNKNOWN, ScanLocation()
    reasons: list[str] = []

    def attempt(step: Callable[[], None]) -> None:
        try:
            step()
        except UnscannedError as error:
            reasons.append(str(error))
        except (MemoryError, RecursionError) as error:
            reasons.append(f"the scan ran out of {'memory' if _is_memory(error) else 'stack'}")
        except Exception as error:  # a defect of the scanner must not let a file pass
            reasons.append(f"the scan failed: {type(error).__name__}")

    def judge() -> None:
        nonlocal found
        found = recognise(content)
        found = judge_as(examination, content, where, found)

    if not bystander:
        attempt(judge)  # 1
    if bystander or found is not Format.UNKNOWN:
        attempt(lambda: find_other_readings(examination, content, found, where))  # 2
    after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):  # 3
        reasons.append("the file changed during the scan")
    if examination.dropped:
        reasons.append(f"findings beyond the limit: {examination.dropped}")
    findings = tuple(examination.found.values())
    return Scan(found, findings, "; ".join(reasons) or None, content.size)


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError)


def judge_content(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Detect the format of content and scan it with the reader of that format.

    Raises:
        UnscannedError: the content cannot be scanned.
    """
    try:
        found = judge_as(examination, content, where, recognise(content))
        if found not in PICKLES:
            judge_accident(examination, content, where)
        return found
    except UnscannedError as error:
        error.location = error.location or where
        raise


def judge_as(
    examination: Examination, content: ByteContent, where: ScanLocation, found: Format
) -> Format:
    """Scan content with the reader of a format; return the more specific format that it finds."""
    match found:
        case Format.PICKLE | Format.JOBLIB:
            return judge_pickle(examination, content, where)
        case Format.NPY:
            return judge_array(examination, content, where)
        case Format.ZIP | Format.NPZ | Format.TORCH | Format.SKOPS:
            return judge_archive(examination, content, where)
        case Format.GZIP | Format.ZLIB | Format.BZIP2 | Format.XZ | Format.LZMA:
            return judge_layer(examination, content, where, found)
        case Format.TORCH_LEGACY:
            return judge_checkpoint(examination, content, where)
        case Format.SAFETENSORS:
            return judge_tensors(examination, content, where)
        case Format.ONNX:
            return judge_model(examination, content, where)
        case Format.JSON:
            return judge_document(examination, content, where)
        case Format.UNKNOWN:
            raise UnscannedError("unknown format", where)
        case _:
            assert_never(found)
