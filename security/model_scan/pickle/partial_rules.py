"""Rules for `functools.partial`: functions of NumPy and `math` with plain arguments.

A caller of the loaded object calls the function of a partial with arguments of the file, which no
other rule sees. So the function must be harmless with any.
"""

from __future__ import annotations

from security.model_scan.pickle.call_rules import Arguments
from security.model_scan.pickle.pickle_values import Global, Mapping, Value

_MODULES = frozenset({"math", "numpy"})
_CLASSES = frozenset({"bool", "complex", "float", "int", "long", "str"})
_OTHER = "a function that is not one of math or NumPy"


def _is_plain(value: Value) -> bool:
    """Say whether a value is a function that is harmless with any arguments."""
    if not isinstance(value, Global):
        return False
    builtin = value.module in ("builtins", "__builtin__") and value.name in _CLASSES
    return builtin or value.module in _MODULES


def plain_function(arguments: Arguments) -> str | None:
    """Accept a function of NumPy or math."""
    return None if arguments and _is_plain(arguments[0]) else _OTHER


def plain_state(state: Value) -> str | None:
    """Accept the state that a partial writes: its function, arguments, keywords and attributes."""
    if not isinstance(state, tuple) or len(state) != 4 or not _is_plain(state[0]):
        return _OTHER
    plain = isinstance(state[1], tuple) and isinstance(state[2], Mapping)
    return None if plain and state[3] is None else "a state that a partial does not write"
