"""NumPy's element types in npy headers and in pickles: their size, and whether they hold objects.

The size determines the end of an array, and an array of objects continues with a pickle. A pickle
gives both facts twice, in the code and in the state, and NumPy uses the state: if they disagree,
NumPy can use numbers as pointers. So they must agree.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from security.model_scan.pickle.pickle_values import (
    Global,
    Instance,
    Items,
    Mapping,
    Value,
    is_bytes,
)
from security.model_scan.report import UnscannedError

_CODE = re.compile(r"(?P<order>[<>|=]?)(?P<kind>[biufcOSUVaMm?])(?P<size>\d{0,9})(?P<unit>\[.*\])?")
_SIZES = {
    "b": (1,),
    "i": (1, 2, 4, 8),
    "u": (1, 2, 4, 8),
    "f": (2, 4, 8, 12, 16),
    "c": (8, 16, 24, 32),
    "M": (8,),
    "m": (8,),
    "O": (4, 8),
}
_UNIT = re.compile(r"\[\d*[A-Za-z]{1,2}(/\d+)?\]")
_BYTES_PER_CHARACTER = 4
_ALIGNMENTS = (1, 2, 4, 8, 16, 32, 64)
_MOST_PER_ELEMENT = 1 << 26
_DEEPEST = 16
# numpy/_core/include/numpy/ndarraytypes.h: reference counted; with list pickle and is pointer; and
# the flags that an element type with fields inherits from a field of objects.
_REFERENCES = 0x01
_OF_OBJECTS = 0x07
_INHERITED = 0x1B
_ELEMENT_TYPE, _RECORD = Global("numpy", "dtype"), Global("numpy", "record")
_EMPTY_ARRAY_MAKERS = frozenset(
    {
        Global("numpy._core.multiarray", "_reconstruct"),
        Global("numpy.core.multiarray", "_reconstruct"),
        Global("numpy.ma.core", "_mareconstruct"),
    }
)
_ARRAY_MAKERS = _EMPTY_ARRAY_MAKERS | {
    Global("numpy", "ndarray"),
    Global("numpy._core.numeric", "_frombuffer"),
    Global("numpy.core.numeric", "_frombuffer"),
}


class ElementTypeError(UnscannedError):
    """An element type is unknown, or contradicts itself."""


class ContradictionError(ElementTypeError):
    """An element type would make NumPy use numbers as pointers."""


@dataclass(frozen=True, slots=True)
class ElementType:
    """The size of one element in bytes, and whether it holds Python objects."""

    size: int
    objects: bool


def parse_code(code: str) -> ElementType:
    """Parse a code such as `<f8`, `|S3`, `M8[ns]` or `O8`.

    Raises:
        ElementTypeError: the code is unknown, or its size is beyond the limit.
    """
    match = _CODE.fullmatch(code)
    if match is None:
        raise ElementTypeError("unknown element type code of an array")
    kind, digits, unit = match["kind"], match["size"], match["unit"]
    if unit is not None and (kind not in "Mm" or not _UNIT.fullmatch(unit)):
        raise ElementTypeError("unknown unit in the element type of an array")
    if kind == "?":
        return ElementType(1, False)
    if kind == "O":
        return ElementType(8, True)
    size = int(digits or 0)
    if kind in "SUVa":
        size *= _BYTES_PER_CHARACTER if kind == "U" else 1
    elif (size or 8) not in _SIZES[kind] or (not digits and kind not in "Mm"):
        raise ElementTypeError("unknown size in the element type of an array")
    else:
        size = size or 8
    if size > _MOST_PER_ELEMENT:
        raise ElementTypeError("array elements larger than the limit")
    return ElementType(size, False)


def parse_description(description: object, depth: int = 0) -> ElementType:
    """Parse the `descr` of an npy header: a code, or a list of fields."""
    if isinstance(description, str):
        return parse_code(description)
    if not isinstance(description, list) or depth > _DEEPEST:
        raise ElementTypeError("element type of an array is not a code or a list of fields")
    size, objects = 0, False
    for field in description:
        if not isinstance(field, tuple) or len(field) not in (2, 3):
            raise ElementTypeError("malformed field in the element type of an array")
        part = parse_description(field[1], depth + 1)
        size += part.size * (count_elements(field[2]) if len(field) == 3 else 1)
        objects = objects or part.objects
    if size > _MOST_PER_ELEMENT:
        raise ElementTypeError("array elements larger than the limit")
    return ElementType(size, objects)


def count_elements(shape: Value) -> int:
    """Multiply the lengths of a shape; the product of NumPy could wrap around.

    Raises:
        ElementTypeError: the shape is not a tuple of lengths, or the product exceeds 63 bits.
    """
    lengths = (shape,) if type(shape) is int else shape
    if not isinstance(lengths, tuple) or not all(type(one) is int for one in lengths):
        raise ElementTypeError("shape of an array is not a tuple of numbers")
    if any(one < 0 for one in lengths) or len(lengths) > 64:
        raise ElementTypeError("invalid shape of an array")
    if math.prod(one for one in lengths if one) >= 1 << 63:
        raise ElementTypeError("shape of an array overflows 63 bits")
    return math.prod(lengths)


def read_pickled(dtype: Value, depth: int = 0) -> ElementType:
    """Read an element type that a pickle has created, from its code and its state.

    Raises:
        ElementTypeError: code and state disagree, or the value is not an element type.
    """
    if not isinstance(dtype, Instance) or dtype.maker != _ELEMENT_TYPE or depth > _DEEPEST:
        raise ElementTypeError("element type of an array is not a numpy.dtype")
    if dtype.builds != 1 or not isinstance(dtype.state, tuple):
        raise ElementTypeError("element type of an array does not have exactly one state")
    code = dtype.arguments[0]
    if len(dtype.state) not in (8, 9):
        raise ElementTypeError("unknown state of an element type")
    version, order, base, names, fields, size, alignment, flags = dtype.state[:8]
    if code == _RECORD and type(size) is int:
        code = f"V{size}"
    if not isinstance(code, str):
        raise ElementTypeError("unknown state of an element type")
    written = parse_code(code)
    if version not in (3, 4) or order not in ("<", ">", "|", "=") or type(flags) is not int:
        raise ElementTypeError("unknown state of an element type")
    objects = written.objects
    if base is not None:
        objects = _read_subarray(base, written, depth)
    elif names is not None or fields is not None:
        objects = _read_fields(names, fields, written, depth)
    kind = code.lstrip("<>|=")[:1]
    flexible = kind in ("S", "U", "V", "a")
    if alignment not in (_ALIGNMENTS if flexible else (-1,)) or type(alignment) is not int:
        raise ElementTypeError("unknown alignment of an element type")
    _check_metadata(kind, dtype.state)
    if not flexible and (base, names, fields) != (None, None, None):
        raise ElementTypeError("element type with fields that its code does not allow")
    if size != (written.size if flexible else -1) or type(size) is not int:
        raise ContradictionError("element type with two different sizes")
    if bool(flags & _REFERENCES) is not objects or _contradicts(flags, objects):
        raise ContradictionError("flags of an element type contradict its code about objects")
    return ElementType(written.size, objects)


def check_array_state(state: Value) -> None:
    """Check a state for `ndarray.__setstate__`: (version, shape, type, order, content), and a mask.

    NumPy reads as many objects from the list as the shape gives, even beyond the end of the list.

    Raises:
        ElementTypeError: the state is malformed, or the list has another length than the shape.
    """
    if not isinstance(state, tuple) or len(state) not in (5, 7):
        raise ElementTypeError("state of an array that NumPy does not write")
    shape, dtype, content = state[1], state[2], state[4]
    count, element = count_elements(shape), read_pickled(dtype)
    if not element.objects:
        return
    if not isinstance(content, Items) or content.kind != "list":
        raise ElementTypeError("state of an array of objects without a list")
    if content.length != count:
        raise ContradictionError("list of an array of objects has another length than its shape")


def check_built(target: Instance) -> None:
    """Check an array or an element type after a state was set.

    Raises:
        ElementTypeError: NumPy does not write such a state, or would use numbers as pointers.
    """
    if target.maker == _ELEMENT_TYPE:
        read_pickled(target)
    elif target.maker in _EMPTY_ARRAY_MAKERS and target.builds == 1:
        check_array_state(target.state)
    elif target.maker in _ARRAY_MAKERS:
        raise ElementTypeError("array with an unexpected or repeated state")


def _contradicts(flags: int, objects: bool) -> bool:
    """Say whether the flags contradict an element type with, or without, objects."""
    return flags & _INHERITED != _INHERITED if objects else bool(flags & _OF_OBJECTS)


def _read_subarray(base: Value, written: ElementType, depth: int) -> bool:
    """Check an element that is itself an array; return whether it holds objects."""
    if not isinstance(base, tuple) or len(base) != 2:
        raise ElementTypeError("subarray of an element type is not a type and a shape")
    part = read_pickled(base[0], depth + 1)
    if part.size * count_elements(base[1]) != written.size:
        raise ContradictionError("subarray of an element type has another size than its code")
    return part.objects


def _check_metadata(kind: str, state: tuple[Value, ...]) -> None:
    """Check the metadata after the flags: for dates a unit, which NumPy uses unchecked."""
    metadata = state[8] if len(state) == 9 else None
    if kind not in ("M", "m"):
        if metadata is not None and not isinstance(metadata, Mapping):
            raise ElementTypeError("unknown metadata of an element type")
        return
    unit = metadata[1] if isinstance(metadata, tuple) and len(metadata) == 2 else None
    if not isinstance(unit, tuple) or len(unit) != 4 or not is_bytes(unit[0]):
        raise ContradictionError("element type of dates without a unit")
    if not all(type(one) is int and 0 < one < 1 << 31 for one in unit[1:]):
        raise ElementTypeError("element type of dates with an invalid unit")


def _read_fields(names: Value, fields: Value, written: ElementType, depth: int) -> bool:
    """Check that all fields are within the element, without overlap if it holds objects."""
    if not isinstance(fields, Mapping) or not fields.whole:
        raise ElementTypeError("element type with fields that cannot be followed")
    if not isinstance(names, tuple) or not all(isinstance(one, str) for one in names):
        raise ElementTypeError("element type with field names that are not text")
    if sorted(names) != sorted(fields.entries):
        raise ContradictionError("fields and names of an element type differ")
    ranges: list[tuple[int, int]] = []
    objects = False
    for field in fields.entries.values():
        if not isinstance(field, tuple) or len(field) not in (2, 3) or type(field[1]) is not int:
            raise ElementTypeError("malformed field in the element type of an array")
        part, offset = read_pickled(field[0], depth + 1), field[1]
        if offset < 0 or offset + part.size > written.size:
            raise ContradictionError("field outside its element")
        objects = objects or part.objects
        ranges.append((offset, offset + part.size))
    ranges.sort()
    overlap = any(end > start for (_, end), (start, _) in zip(ranges, ranges[1:]))
    if objects and overlap:
        raise ContradictionError("overlapping fields in an element with objects")
    return objects
