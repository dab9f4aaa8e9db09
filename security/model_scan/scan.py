"""The scan of one model file in this process. Scan untrusted files with `child`."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from security.model_scan.byte_stream import ByteContent, Stored
from security.model_scan.companion_files import is_text
from security.model_scan.compression import Budget
from security.model_scan.config.loader_rules import judge_companion, judge_configuration
from security.model_scan.examination import Examination
from security.model_scan.format import recognise
from security.model_scan.formats.archives import judge_archive, judge_layer
from security.model_scan.formats.json_document import judge_document
from security.model_scan.formats.native_formats import BY_FORMAT
from security.model_scan.formats.numpy_arrays import judge_array
from security.model_scan.formats.onnx_model import judge_model
from security.model_scan.formats.polyglot import PICKLES, find_other_readings
from security.model_scan.formats.safetensors_header import judge_tensors
from security.model_scan.formats.tar_archive import judge_tar
from security.model_scan.formats.torch_checkpoint import judge_checkpoint
from security.model_scan.limits import ScanLimits
from security.model_scan.pickle.pickle_reader import (
    has_header,
    judge_accident,
    judge_pickle,
    reads_as_pickle,
)
from security.model_scan.report import (
    UNKNOWN_FORMAT,
    Format,
    OutsideWeights,
    Scan,
    ScanLocation,
    ScanPurpose,
    UnscannedError,
)
from security.model_scan.scratch import Scratch

# A loader can make code of these formats before it reaches the bytes that stop our reader.
_CAPABLE = {*PICKLES, Format.NPY, Format.NPZ, Format.TORCH, Format.SKOPS}
_LONGEST_TEXT = 4 << 20
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


def scan_descriptor(
    descriptor: int,
    limits: ScanLimits,
    purpose: ScanPurpose = ScanPurpose.MODEL,
    scratch: Scratch | None = None,
) -> Scan:
    """Scan an open file.

    1. Detect the format from the first bytes, and follow what the loaders of that format would do;
       of a companion, only what configuration tells a loader to run.
    2. Find other formats, for loaders that do not start at the first byte.
    3. Check that the size and the time of the file have not changed during the scan.

    Any error leaves the file unjudged, with the findings so far; in data, only an error about bytes
    that a loader could make code of.

    Args:
        scratch: memory for archives inside archives, prepared before the process was restricted.
    """
    own = scratch or Scratch(limits.scratch)
    try:
        return _scan(descriptor, limits, purpose, own)
    finally:
        if scratch is None:
            own.close()


def scan_bystander(descriptor: int, limits: ScanLimits) -> Scan:
    """Scan an open file that is not a model: ``scan_descriptor`` without step 1."""
    return scan_descriptor(descriptor, limits, ScanPurpose.BYSTANDER)


def _scan(descriptor: int, limits: ScanLimits, purpose: ScanPurpose, scratch: Scratch) -> Scan:
    before = os.fstat(descriptor)
    content = Stored(descriptor, 0, before.st_size)
    budget = Budget(limits, content.size)
    examination = Examination(limits, budget, judge_content, scratch, purpose)
    found, where = Format.UNKNOWN, ScanLocation()
    reasons: list[str] = []

    def attempt(step: Callable[[], None]) -> None:
        try:
            step()
        except UnscannedError as error:
            if error.capable or purpose is not ScanPurpose.DATA:
                reasons.append(str(error))
        except (MemoryError, RecursionError) as error:
            reasons.append(f"the scan ran out of {'memory' if _is_memory(error) else 'stack'}")
        except Exception as error:  # a defect of the scanner must not let a file pass
            reasons.append(f"the scan failed: {type(error).__name__}")

    def judge() -> None:
        nonlocal found
        found = recognise(content)
        try:
            found = judge_as(examination, content, where, found)
        except UnscannedError as error:
            own = not error.location or not error.location.inside
            found = Format.UNKNOWN if own and error.reason == UNKNOWN_FORMAT else found
            raise

    if purpose is ScanPurpose.CONFIGURATION:
        attempt(lambda: judge_configuration(examination, _read(content), where))
    elif purpose is ScanPurpose.BYSTANDER:
        attempt(lambda: judge_companion(examination, _read(content), where))
    else:
        attempt(judge)  # 1
    if purpose is not ScanPurpose.MODEL or found is not Format.UNKNOWN:
        attempt(lambda: find_other_readings(examination, content, found, where))  # 2
    after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):  # 3
        reasons.append("the file changed during the scan")
    if examination.dropped:
        reasons.append(f"findings beyond the limit: {examination.dropped}")
    findings = tuple(examination.found.values())
    weights = tuple(OutsideWeights(path, end) for path, end in examination.weights.items())
    return Scan(found, findings, "; ".join(reasons) or None, content.size, weights)


def _read(content: ByteContent) -> bytes:
    """Return all of a companion, whose size its readers limit."""
    return content.open().read(content.size or 0)


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError)


def judge_content(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Detect the format of content and scan it with the reader of that format.

    Raises:
        UnscannedError: the content cannot be scanned.
    """
    found = Format.UNKNOWN
    try:
        found = recognise(content)
        found = judge_as(examination, content, where, found)
        if found not in PICKLES:
            judge_accident(examination, content, where)
        return found
    except UnscannedError as error:
        if error.reason == UNKNOWN_FORMAT and _is_text_member(examination, content):
            judge_companion(examination, content.open().peek(_LONGEST_TEXT), where)
            judge_accident(examination, content, where)
            return Format.TEXT
        error.location = error.location or where
        if found in (Format.UNKNOWN, Format.JSON, Format.PICKLE) and not error.capable:
            _find_hidden(examination, content, where)
        raise


def _is_text_member(examination: Examination, content: ByteContent) -> bool:
    """Say whether a member of a model's archive is a text."""
    if not examination.depth or examination.purpose is not ScanPurpose.MODEL:
        return False
    head = content.open().peek(_LONGEST_TEXT + 1)
    return len(head) <= _LONGEST_TEXT and is_text(head)


def _find_hidden(examination: Examination, content: ByteContent, where: ScanLocation) -> None:
    """Find other formats of an unreadable member, which a stage can write to a file."""
    if isinstance(content, Stored):
        find_other_readings(examination, content, Format.UNKNOWN, where)
        return
    try:
        with examination.scratch.hold(content.open()) as held:
            find_other_readings(examination, held, Format.UNKNOWN, where)
    except UnscannedError:  # damaged or too large: judge its first bytes
        judge_accident(examination, content, where)


def judge_as(
    examination: Examination, content: ByteContent, where: ScanLocation, found: Format
) -> Format:
    """Scan content with the reader of a format; return the more specific format that it finds.

    Raises:
        UnscannedError: the content cannot be scanned; it says whether a loader can make code of it.
    """
    if found is Format.PICKLE and not has_header(content):
        data = examination.purpose is ScanPurpose.DATA  # then this is one of the other readings
        if data or not reads_as_pickle(content, examination.limits):
            raise UnscannedError(UNKNOWN_FORMAT, where)
    try:
        return _judge_as(examination, content, where, found)
    except UnscannedError as error:
        error.capable = error.capable or found in _CAPABLE
        raise


def _judge_as(
    examination: Examination, content: ByteContent, where: ScanLocation, found: Format
) -> Format:
    match found:
        case Format.PICKLE | Format.JOBLIB:
            return judge_pickle(examination, content, where)
        case Format.NPY:
            return judge_array(examination, content, where)
        case Format.TAR:
            return judge_tar(examination, content, where)
        case Format.ZIP | Format.NPZ | Format.TORCH | Format.SKOPS | Format.KERAS:
            return judge_archive(examination, content, where)
        case Format.GZIP | Format.ZLIB | Format.BZIP2 | Format.XZ | Format.LZMA | Format.LZ4:
            return judge_layer(examination, content, where, found)
        case Format.TORCH_LEGACY:
            return judge_checkpoint(examination, content, where)
        case Format.SAFETENSORS:
            return judge_tensors(examination, content, where)
        case Format.ONNX:
            return judge_model(examination, content, where)
        case Format.JSON:
            return judge_document(examination, content, where)
        case Format.TEXT | Format.UNKNOWN:
            raise UnscannedError(UNKNOWN_FORMAT, where)
        case _:
            return BY_FORMAT[found].judge(examination, content, where)
