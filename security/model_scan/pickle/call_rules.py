"""Rules for the arguments of allowed callables. A rule returns the violation, or None.

A callable that is harmless with the arguments of real models can exhaust memory or run code with
others: `bytearray(10**10)`, `_codecs.encode(x, "anything")`, `numpy.dtype` with an arbitrary size.
"""

from __future__ import annotations

from collections.abc import Callable

from security.model_scan.pickle.numpy_dtype import ElementTypeError, parse_code
from security.model_scan.pickle.pickle_values import (
    OPAQUE_TEXT,
    Global,
    Instance,
    Items,
    Mapping,
    Value,
    is_bytes,
)
from security.model_scan.pickle.scipy_rules import is_distribution

Arguments = tuple[Value, ...]
Rule = Callable[[Arguments], str | None]
StateRule = Callable[[Value], str | None]

_LATIN = frozenset({"latin1", "latin-1", "latin_1", "iso-8859-1"})
_BASES = frozenset({"object", "dict", "list", "set", "tuple", "str", "int", "float"})
_BUILTINS = frozenset({"builtins", "__builtin__"})
_ARRAY_CLASSES = frozenset(
    (
        "numpy.ndarray numpy.matrix numpy.ma.MaskedArray numpy.ma.core.MaskedArray"
        " numpy.rec.recarray numpy.recarray numpy.char.chararray numpy.chararray"
    ).split()
)
_RECORD = Global("numpy", "record")
_TYPE_CODES = frozenset("bBuwhHiIlLqQfd")
_MOST_PATTERN_FLAGS = 1 << 9
_DEBUG_PATTERN = 1 << 7  # prints
_ZONE_INFO = (Global("zoneinfo", "ZoneInfo"), "_unpickle")
# Methods of distributions that SciPy wraps, and therefore writes, as attributes.
_METHODS = frozenset(
    ("_entropy", "_cdf_single", "_ppf_single", "_mom0_sc", "_mom1_sc", "generic_moment")
)


def anything(_: Arguments) -> str | None:
    """Accept any arguments."""
    return None


def nothing(arguments: Arguments) -> str | None:
    """Accept no arguments."""
    return "arguments where none belong" if arguments else None


def only_none(arguments: Arguments) -> str | None:
    """Accept None: `type(None)` is its class."""
    return None if arguments == (None,) else "an argument that is not None"


def only_text(arguments: Arguments) -> str | None:
    """Accept texts."""
    plain = all(isinstance(one, str) for one in arguments)
    return None if plain else "an argument that is not text"


def known_method(arguments: Arguments) -> str | None:
    """Accept the methods that pickles of real objects take: no others, and of no other objects."""
    if arguments == _ZONE_INFO:
        return None
    known = len(arguments) == 2 and isinstance(arguments[1], str) and arguments[1] in _METHODS
    good = known and is_distribution(arguments[0])
    return None if good else "an attribute that no pickle of a real object takes"


def take_method(arguments: Arguments) -> Global | None:
    """Return the name of the method that `known_method` accepts and a pickle may then call."""
    return Global("zoneinfo", "ZoneInfo._unpickle") if arguments == _ZONE_INFO else None


def number_array(arguments: Arguments) -> str | None:
    """Accept the code of an element type and the elements, or their bytes."""
    coded = bool(arguments) and isinstance(arguments[0], str) and arguments[0] in _TYPE_CODES
    held = all(isinstance(one, Items) or is_bytes(one) for one in arguments[1:])
    return None if coded and held and len(arguments) <= 2 else "arguments that are not elements"


def packed_numbers(arguments: Arguments) -> str | None:
    """Accept `_array_reconstructor(array.array, code, format, bytes)`."""
    if len(arguments) != 4 or arguments[0] != Global("array", "array"):
        return "arguments that do not start with the class of an array, or are not four"
    coded = isinstance(arguments[1], str) and arguments[1] in _TYPE_CODES
    plain = type(arguments[2]) is int and is_bytes(arguments[3])
    return None if coded and plain else "arguments that are not elements"


def plain_fraction(arguments: Arguments) -> str | None:
    """Accept two numbers, or `3/4`; the power in `1e9999999` would take hours."""
    if len(arguments) == 2 and all(type(one) is int for one in arguments):
        return None
    text = arguments[0] if len(arguments) == 1 else None
    plain = isinstance(text, str) and text.replace("/", "").replace("-", "").isdigit()
    return None if plain else "arguments that are not two whole numbers"


def pattern(arguments: Arguments) -> str | None:
    """Accept a short regular expression and its flags."""
    if len(arguments) != 2 or not (isinstance(arguments[0], str) or is_bytes(arguments[0])):
        return "arguments that are not a short pattern and flags"
    flags = arguments[1]
    known = type(flags) is int and 0 <= flags < _MOST_PATTERN_FLAGS and not flags & _DEBUG_PATTERN
    return None if known else "flags that no pickle of a pattern has"


def only_bytes(arguments: Arguments) -> str | None:
    """Accept content, but no length to allocate."""
    if not arguments or is_bytes(arguments[0]):
        return None
    if arguments[0] == OPAQUE_TEXT or isinstance(arguments[0], str):
        return None if arguments[1:] and arguments[1] in _LATIN else "text without an encoding"
    return "a length instead of content"


def only_items(arguments: Arguments) -> str | None:
    """Accept a list, a tuple or a dict in the file, but no other iterable."""
    if not arguments or isinstance(arguments[0], (tuple, Items, Mapping)):
        return None
    return "an argument that is not a list, tuple or dict in the file"


def only_numbers(arguments: Arguments) -> str | None:
    """Accept numbers, text and None."""
    known = all(one is None or isinstance(one, (int, float, str)) for one in arguments)
    return None if known else "an argument that is not a number or text"


def latin_text(arguments: Arguments) -> str | None:
    """Accept `_codecs.encode` as old protocols write bytes; other codecs import modules."""
    text = arguments[0] if arguments else None
    if len(arguments) != 2 or not (isinstance(text, str) or text == OPAQUE_TEXT):
        return "arguments that are not text and an encoding"
    return None if arguments[1] in _LATIN else "an encoding other than latin1"


def element_code(arguments: Arguments) -> str | None:
    """Accept `numpy.dtype` as NumPy pickles it; without `copy` it would modify shared types."""
    if len(arguments) != 3 or not (isinstance(arguments[0], str) or arguments[0] == _RECORD):
        return "arguments without the code of an element type"
    if arguments[1] not in (False, 0) or arguments[2] not in (True, 1):
        return "flags that NumPy does not write"
    try:
        parse_code(arguments[0] if isinstance(arguments[0], str) else "V")
    except ElementTypeError as error:
        return error.reason
    return None


def empty_array(arguments: Arguments) -> str | None:
    """Accept `_reconstruct(numpy.ndarray, (0,), b'b')`, which allocates nothing."""
    if len(arguments) != 3 or arguments[1] != (0,):
        return "a shape to allocate"
    if not isinstance(arguments[0], Global) or str(arguments[0]) not in _ARRAY_CLASSES:
        return "a class that is not an array"
    return None if is_bytes(arguments[2]) or arguments[2] == "b" else "a type code other than b"


def masked_array(arguments: Arguments) -> str | None:
    """Accept `_mareconstruct(MaskedArray, numpy.ndarray, (0,), b'b')`."""
    if len(arguments) != 4:
        return "a wrong number of arguments"
    return empty_array(arguments[:1] + arguments[2:]) or empty_array(arguments[1:])


def buffer_array(arguments: Arguments) -> str | None:
    """Accept `_frombuffer(bytes, dtype, shape, order)`."""
    if len(arguments) != 4 or not is_bytes(arguments[0]):
        return "arguments that do not start with bytes, or are not four"
    return None


def checked_indexes(arguments: Arguments) -> str | None:
    """Accept the indexes of a sparse array without the flag that switches their check off."""
    return None if len(arguments) <= 3 else "a flag that switches a check off"


def scalar(arguments: Arguments) -> str | None:
    """Accept an element type with its bytes; given an object, NumPy could return that object."""
    good = len(arguments) == 2 and is_bytes(arguments[1])
    return None if good else "arguments that are not an element type and its bytes"


def one_class(arguments: Arguments) -> str | None:
    """Accept a class; the machine has already checked its name."""
    first = arguments[0] if arguments else None
    return None if isinstance(first, Global) else "an argument that is not a class"


def reconstructed(arguments: Arguments) -> str | None:
    """Accept `copyreg._reconstructor(class, base, state)` with a plain base."""
    if len(arguments) != 3 or not isinstance(arguments[0], Global):
        return "arguments that do not start with a class, or are not three"
    base, state = arguments[1:]
    if not isinstance(base, Global) or base.module not in _BUILTINS or base.name not in _BASES:
        return "a base that is not a plain class"
    plain = state is None or isinstance(state, (Items, Mapping, tuple, str, int, float))
    return None if plain or state == OPAQUE_TEXT else "a state that is not plain"


def random_state(arguments: Arguments) -> str | None:
    """Accept a bit generator by name, class or value, and only NumPy's own constructor."""
    for one in arguments:
        ours = isinstance(one, Global) and one.module.startswith("numpy.random.")
        if not (isinstance(one, str) or ours or isinstance(one, Instance)):
            return "an argument that is not a bit generator"
    return None
