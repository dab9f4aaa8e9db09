"""npy files: a header in Python's literal syntax, then the array's bytes or a pickle.

The header follows numpy.lib.format, versions 1.0 to 3.0.
"""

from __future__ import annotations

import ast

from security.model_scan.byte_stream import ByteContent, ByteStream
from security.model_scan.examination import Examination
from security.model_scan.pickle.numpy_dtype import ElementType, count_elements, parse_description
from security.model_scan.pickle.pickle_reader import check_end, judge_stream
from security.model_scan.report import Format, ScanLocation, UnscannedError

MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_LONGEST_HEADER = 10_000  # numpy's own limit


def judge_array(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan an npy file: its header, its length, and the pickle of an array of objects.

    Raises:
        UnscannedError: the file is malformed or truncated.
    """
    stream = content.open()
    element, count = _read_header(stream)
    if element.objects:
        judge_stream(examination, stream, where)
    else:
        stream.skip(element.size * count)
    check_end(examination, stream, where)
    return Format.NPY


def holds_objects(content: ByteContent) -> bool:
    """Say whether an array is one of objects, which a pickle makes.

    Raises:
        UnscannedError: its header is malformed.
    """
    return _read_header(content.open())[0].objects


def _read_header(stream: ByteStream) -> tuple[ElementType, int]:
    """Return the type and the number of the elements."""
    stream.read(len(MAGIC))
    major, minor = stream.read(2)
    if major not in _LENGTH_BYTES or minor != 0:
        raise UnscannedError(f"unsupported npy version: {major}.{minor}")
    length = int.from_bytes(stream.read(_LENGTH_BYTES[major]), "little")
    if length > _LONGEST_HEADER:
        raise UnscannedError("npy header longer than NumPy accepts")
    raw = stream.read(length)
    try:
        header = ast.literal_eval(raw.decode("utf-8" if major == 3 else "latin-1").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise UnscannedError("npy header is not a Python literal") from error
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise UnscannedError("npy header has keys that NumPy does not write")
    if not isinstance(header["shape"], tuple) or not isinstance(header["fortran_order"], bool):
        raise UnscannedError("npy header has values that NumPy does not write")
    return parse_description(header["descr"]), count_elements(header["shape"])
