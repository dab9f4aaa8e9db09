"""Candidates: files that a loader might make code of, found from their first and last bytes.

Every other file is data, and needs no scan. The search runs in this process: it reads at most a few
kilobytes, and follows no structure deeper than a pickle's operations in them.
"""

from __future__ import annotations

import os
from dataclasses import replace

from security.model_scan.byte_stream import Stored
from security.model_scan.format import recognise
from security.model_scan.formats.polyglot import is_other_format
from security.model_scan.limits import KIBI, ScanLimits
from security.model_scan.pickle.pickle_reader import acts_as_pickle, has_header
from security.model_scan.report import Format, UnscannedError

_START = 64 * KIBI
_POINTER = b"version https://git-lfs.github.com/spec/v1\n"
_LIMITS = replace(ScanLimits(), opcodes=20_000, line=_START, frame=_START)
_PLAIN = (Format.JSON, Format.PICKLE)  # texts and other data often start so


def is_candidate(descriptor: int, size: int) -> bool:
    """Say whether a loader might make code of an open file.

    1. Its first bytes are those of a format of models, of an archive or of a compressed file.
    2. It is another format to loaders that do not start at its first byte.
    3. It reads as a pickle that acts, or as one until the bytes that are read here end.
    """
    content = Stored(descriptor, 0, size)
    try:
        if recognise(content) not in _PLAIN:  # 1
            return True
    except UnscannedError as error:
        if error.capable:
            return True
    if has_header(content) or is_other_format(content):  # 2
        return True
    start = Stored(descriptor, 0, min(size, _START))
    return acts_as_pickle(start, _LIMITS)  # 3


def is_pointer(descriptor: int, size: int) -> bool:
    """Say whether an open file is empty, or a pointer of Git LFS in place of its content."""
    return not size or (size < KIBI and os.pread(descriptor, len(_POINTER), 0) == _POINTER)
