"""Rules for time zones: a name of the IANA database, or data in the file, but never a path.

`dateutil.tz.gettz`, `dateutil.tz.tzfile` and the zones of pandas that start with `dateutil/` open
any path that they get.
"""

from __future__ import annotations

import re

from security.model_scan.pickle.call_rules import Arguments, one_class
from security.model_scan.pickle.pickle_values import Instance, Mapping, Value, is_bytes

_NAME = re.compile(r"[A-Za-z0-9_+\-]{1,40}(/[A-Za-z0-9_+\-]{1,40}){0,2}")
_OFFSET = re.compile(r"(UTC|GMT)?[+\-]\d{2}(:?\d{2}){0,2}|tzlocal\(\)")
_NOT_A_ZONE = "a time zone that is not a name"


def _is_name(value: Value) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def zone_name(arguments: Arguments) -> str | None:
    """Accept the name of a time zone, then numbers and short names."""
    if not arguments or not _is_name(arguments[0]):
        return _NOT_A_ZONE
    plain = all(one is None or isinstance(one, (int, float, str)) for one in arguments[1:])
    return None if plain else "an argument that is not a number or text"


def zone_without_file(arguments: Arguments) -> str | None:
    """Accept `tzfile(None, name)`: its state follows, and no file is opened."""
    if not arguments:
        return None
    named = len(arguments) == 2 and isinstance(arguments[1], (str, type(None)))
    return None if arguments[0] is None and named else "a file to open"


def zone_data(arguments: Arguments) -> str | None:
    """Accept a class, two names that are only shown, and the data of a time zone."""
    plain = all(one is None or isinstance(one, str) for one in arguments[1:3])
    if len(arguments) != 4 or not plain or not isinstance(arguments[3], tuple):
        return "arguments that are not a class, two names and data"
    return one_class(arguments)


def zone_dtype(arguments: Arguments) -> str | None:
    """Accept a unit and a time zone of pandas: an object of the file, or a name."""
    if len(arguments) > 2 or not all(map(_is_zone, arguments[1:])):
        return _NOT_A_ZONE
    return None if not arguments or isinstance(arguments[0], str) else "a unit that is not text"


def zone_index(arguments: Arguments) -> str | None:
    """Accept a class and its attributes, with a time zone that is an object or a name."""
    state = arguments[1] if len(arguments) == 2 else None
    if not isinstance(state, Mapping) or not state.whole:
        return "arguments that are not a class and its attributes"
    return one_class(arguments) if _is_zone(state.entries.get("tz")) else _NOT_A_ZONE


def _is_zone(value: Value) -> bool:
    if isinstance(value, str):
        name = value.removeprefix("dateutil/")
        return _is_name(name) or _OFFSET.fullmatch(value) is not None
    return value is None or (isinstance(value, Instance) and not is_bytes(value))
