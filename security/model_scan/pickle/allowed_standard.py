"""The allowed names of Python itself, of dateutil and of pytz."""

from __future__ import annotations

from security.model_scan.pickle import call_rules, partial_rules, zone_rules
from security.model_scan.pickle.allowance import CALL, EMPTY, MAKE, NAME, Allowance, Table

# Plain classes and functions: no code of the file's choice. `bytearray` and `bytes` need content,
# because a number makes them allocate memory. No `map`: gadget chains use it. `getattr` takes only
# the methods that real pickles take, and `type` only None.
BUILTINS: Table = {
    "bool bytes dict float int list str tuple Ellipsis NotImplemented": NAME,
    "abs len max min round sorted sum": NAME,
    "object": MAKE,
    "bytearray": Allowance(call=call_rules.only_bytes),
    "frozenset set": Allowance(call=call_rules.only_items, grow=True),
    "complex range slice xrange": Allowance(call=call_rules.only_numbers),
    "getattr": Allowance(call=call_rules.known_method, strict=True),
    "type": Allowance(call=call_rules.only_none, strict=True),
}
PYTHON_2: Table = {"bytes": Allowance(call=call_rules.only_bytes), "long unicode": NAME}

_NUMBERS = Allowance(True, call_rules.only_numbers)

STANDARD_LIBRARY: Table = {
    # Protocols 0 to 2 write objects and bytes with these.
    "copyreg _reconstructor": Allowance(call=call_rules.reconstructed),
    "copy_reg _reconstructor": Allowance(call=call_rules.reconstructed),
    "_codecs encode": Allowance(call=call_rules.latin_text),
    # Containers and values.
    "collections OrderedDict": Allowance(True, call_rules.only_items, grow=True),
    "collections Counter": Allowance(True, call_rules.only_items, grow=True),
    "collections deque": Allowance(call=call_rules.only_items, grow=True),
    "collections defaultdict": Allowance(call=call_rules.anything, grow=True),
    "collections ChainMap UserDict UserList": MAKE,
    "collections UserString": Allowance(True, call_rules.only_text),
    "UserDict IterableUserDict UserDict": MAKE,
    "UserList UserList": MAKE,
    "UserString UserString": MAKE,
    "argparse Namespace": MAKE,
    "types SimpleNamespace": EMPTY,
    "array array": Allowance(call=call_rules.number_array),
    "array _array_reconstructor": Allowance(call=call_rules.packed_numbers),
    "datetime date datetime time timedelta timezone": CALL,
    "decimal Decimal": Allowance(call=call_rules.only_numbers),
    "fractions Fraction": Allowance(call=call_rules.plain_fraction),
    "functools partial": Allowance(
        call=partial_rules.plain_function, state=partial_rules.plain_state, strict=True
    ),
    "math acos asin atan atan2 ceil cos cosh erf exp expm1 fabs floor gamma hypot": NAME,
    "math log log10 log1p log2 pow sin sinh sqrt tan tanh trunc": NAME,
    # Paths are only names: nothing is opened.
    "pathlib Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath": Allowance(
        call=call_rules.only_text
    ),
    "pathlib._local Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath": Allowance(
        call=call_rules.only_text
    ),
    "random Random": EMPTY,
    "re _compile": Allowance(call=call_rules.pattern),
    "re RegexFlag": Allowance(call=call_rules.only_numbers),
    "statistics NormalDist": MAKE,
    "time struct_time": Allowance(call=call_rules.only_items),
    "uuid UUID": MAKE,
    "uuid SafeUUID": _NUMBERS,
    # Time zones by name, or with their data: never from a path.
    "zoneinfo ZoneInfo": Allowance(call=zone_rules.zone_name, strict=True),
    "zoneinfo ZoneInfo._unpickle": Allowance(call=zone_rules.zone_name, strict=True),
}

DATEUTIL: Table = {
    "dateutil.relativedelta relativedelta": MAKE,
    "dateutil._common weekday": MAKE,
    "dateutil.tz.tz tzutc": EMPTY,
    "dateutil.tz.tz tzlocal tzrange tzrangebase _ttinfo _tzfile": EMPTY,
    "dateutil.tz.tz tzoffset": Allowance(True, call_rules.anything),
    "dateutil.tz.tz tzstr": Allowance(True, call_rules.only_numbers),
    "dateutil.tz.tz tzfile": Allowance(True, zone_rules.zone_without_file, strict=True),
    "dateutil.tz._tzfile tzfile": Allowance(True, zone_rules.zone_without_file, strict=True),
    "dateutil.tz._tzfile _unpickle": Allowance(call=zone_rules.zone_data, strict=True),
}

PYTZ: Table = {
    "pytz _UTC": Allowance(call=call_rules.nothing),
    "pytz _p": Allowance(call=zone_rules.zone_name, strict=True),
    "pytz FixedOffset _FixedOffset": Allowance(call=call_rules.only_numbers),
}
