"""Pickles that would run code, allocate without end, or show different things to different readers.

Every payload would create the file `marker`, so that a test can tell whether it ran.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np

Craft = Callable[[str], bytes]


class Payload:
    """An object whose pickle calls something."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.reduced = call, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.reduced


def touch(marker: str) -> str:
    """Return Python source that creates the marker."""
    return f"open({marker!r}, 'w').close()"


def evil(marker: str) -> Payload:
    """Return an object that creates the marker when it is unpickled."""
    return Payload(exec, touch(marker))


def text(value: str) -> bytes:
    """Push a text."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def stack_global(module: str, name: str) -> bytes:
    """Push a global by way of the stack."""
    return text(module) + text(name) + b"\x93"


def call(module: str, name: str, *arguments: str) -> bytes:
    """Push the result of a call with texts."""
    return stack_global(module, name) + b"(" + b"".join(map(text, arguments)) + b"tR"


def whole(*parts: bytes, protocol: int = 4) -> bytes:
    """Make a pickle of operations."""
    return b"\x80" + bytes([protocol]) + b"".join(parts) + b"."


def import_chain(marker: str) -> bytes:
    """Call builtins.exec, found by getattr on an imported module."""
    module = call("importlib", "import_module", "builtins")
    found = stack_global("builtins", "getattr") + module + text("exec") + b"\x86R"
    return whole(found, text(touch(marker)), b"\x85R")


def operator_chain(marker: str) -> bytes:
    """Call what operator.attrgetter takes out of a module."""
    getter = call("operator", "attrgetter", "exec")
    module = call("importlib", "import_module", "builtins")
    return whole(getter, module, b"\x85R", text(touch(marker)), b"\x85R")


def method_caller(marker: str) -> bytes:
    """Call a method of a module by operator.methodcaller."""
    caller = call("operator", "methodcaller", "exec", touch(marker))
    return whole(caller, call("importlib", "import_module", "builtins"), b"\x85R")


def memo_names(marker: str) -> bytes:
    """Take module and name out of the memo, where they lie apart and in the wrong order."""
    stored = text("exec") + b"\x94" + text("builtins") + b"\x94" + b"00"
    return whole(stored, b"h\x01h\x00\x93", text(touch(marker)), b"\x85R")


def long_binput_names(marker: str) -> bytes:
    """Take them out of the memo by the other operations."""
    stored = text("exec") + b"q\x05" + text("builtins") + b"r\x06\0\0\0" + b"00"
    return whole(stored, b"j\x06\0\0\0g5\n\x93", text(touch(marker)), b"\x85R")


def escaped_names(marker: str) -> bytes:
    """Spell the names with escapes."""
    names = b"V\\u0062uiltins\nVex\\u0065c\n\x93"
    return whole(names, text(touch(marker)), b"\x85R")


def quoted_names(marker: str) -> bytes:
    """Spell the names as strings of Python 2, with escapes."""
    names = b"S'builtin\\x73'\nS'e\\170ec'\n\x93"
    return whole(names, text(touch(marker)), b"\x85R")


def inst(marker: str) -> bytes:
    """Use INST."""
    return b"(" + text(touch(marker)) + b"ibuiltins\nexec\n."


def obj(marker: str) -> bytes:
    """Use OBJ."""
    return b"(" + b"cbuiltins\nexec\n" + text(touch(marker)) + b"o."


def new_object(marker: str) -> bytes:
    """Use NEWOBJ with a class whose __new__ starts a program."""
    return whole(
        stack_global("subprocess", "Popen"), b"(", text("touch"), text(marker), b"l\x85\x81"
    )


def new_object_ex(marker: str) -> bytes:
    """Use NEWOBJ_EX."""
    arguments = b"(" + text("touch") + text(marker) + b"l\x85}"
    return whole(stack_global("subprocess", "Popen"), arguments, b"\x92")


def nested_reduce(marker: str) -> bytes:
    """Call what a call has returned."""
    function = stack_global("builtins", "exec")
    partial = stack_global("functools", "partial") + function + text(touch(marker)) + b"\x86R"
    return whole(partial, b")R")


def build_setstate(marker: str) -> bytes:
    """Give a class a __setstate__ by BUILD, then an object of it a state."""
    cls = stack_global("collections", "OrderedDict")
    attributes = b"N}" + text("__setstate__") + stack_global("builtins", "exec") + b"s\x86b"
    return whole(cls, attributes, b")\x81", text(touch(marker)), b"b")


def build_on_class(_: str) -> bytes:
    """Set an attribute of an allowed class for the whole process."""
    cls = stack_global("sklearn.linear_model._logistic", "LogisticRegression")
    return whole(cls, b"N}", text("predict"), stack_global("numpy", "exp"), b"s\x86b")


def class_swap(_: str) -> bytes:
    """Change the class of an object by its state."""
    one = stack_global("sklearn.pipeline", "Pipeline") + b")\x81"
    other = stack_global("sklearn.tree._classes", "DecisionTreeClassifier")
    return whole(one, b"N}", text("__class__"), other, b"s\x86b")


def extension(_: str) -> bytes:
    """Name something by an extension code."""
    return whole(b"\x82\x01)R", protocol=2)


def extension_4(_: str) -> bytes:
    """Name something by a long extension code."""
    return whole(b"\x84\x01\x02\x03\x04)R", protocol=2)


def persistent(_: str) -> bytes:
    """Ask the loader for an object."""
    return whole(text("anything"), b"Q")


def persistent_line(_: str) -> bytes:
    """Ask the loader for an object, in protocol 0."""
    return b"Panything\n."


def out_of_band(_: str) -> bytes:
    """Refer to a buffer that is not in the file."""
    return whole(b"\x97", protocol=5)


def appended(marker: str) -> bytes:
    """Put a second pickle behind a harmless first."""
    return pickle.dumps([1, 2]) + pickle.dumps(evil(marker))


def stop_in_frame(marker: str) -> bytes:
    """End in the middle of a frame; loaders disagree about where the next pickle starts."""
    second = pickle.dumps(evil(marker), 0)
    return b"\x80\x04\x95" + struct.pack("<Q", 2 + len(second)) + b"N." + second


def crossing_frame(_: str) -> bytes:
    """Let an operation cross the end of its frame."""
    return b"\x80\x04\x95" + struct.pack("<Q", 3) + text("a long text over the end") + b"."


def joblib_frame(marker: str) -> bytes:
    """Hide operations from joblib's order of reading in a frame that goes on behind the array."""
    buffer = io.BytesIO()
    joblib.dump(np.zeros(64, "u1"), buffer)
    raw = buffer.getvalue()
    at = raw.index(b"\x95")
    (length,) = struct.unpack("<Q", raw[at + 1 : at + 9])
    payload = call("builtins", "exec", touch(marker)) + b"."
    end = at + 9 + length
    return raw[: at + 1] + struct.pack("<Q", length + 40) + raw[at + 9 : end] + payload + raw[end:]


def joblib_plain(marker: str) -> bytes:
    """Let the array's bytes be operations to the plain loader; joblib before 1.2 had no padding."""
    payload = call("builtins", "exec", touch(marker)) + b"."
    payload += b"\0" * (-len(payload) % 8)
    wrapper = whole_wrapper("f8", (len(payload) // 8,), padding=False)
    return wrapper + payload + b"."


def whole_wrapper(code: str, shape: tuple[int, ...], padding: bool = True, flags: int = 0) -> bytes:
    """Return the operations that build joblib's wrapper of an array."""
    dtype = stack_global("numpy", "dtype") + text(code) + b"\x89\x88\x87R"
    dtype += b"(K\x03" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" + bytes([flags])
    dtype += b"tb"
    lengths = b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", one) for one in shape) + b"t"
    pairs = text("subclass") + stack_global("numpy", "ndarray") + text("shape") + lengths
    pairs += text("order") + text("C") + text("dtype") + dtype
    if padding:
        pairs += text("numpy_array_alignment_bytes") + b"K\x10"
    wrapper = stack_global("joblib.numpy_pickle", "NumpyArrayWrapper")
    return b"\x80\x04" + wrapper + b")\x81}(" + pairs + b"ub"


def joblib_forged_flags(marker: str) -> bytes:
    """Say by flags alone that numbers are objects, so that joblib goes on with a pickle."""
    wrapper = whole_wrapper("f8", (0,), flags=63)
    return wrapper + pickle.dumps(evil(marker)) + b"."


def joblib_wrapping_shape(marker: str) -> bytes:
    """Give lengths whose product NumPy takes for 0."""
    wrapper = whole_wrapper("f8", (1 << 62, 4))
    return wrapper + b"\x01\xff" + call("builtins", "exec", touch(marker)) + b"."


def joblib_no_padding(marker: str) -> bytes:
    """Use a padding length that is an operation to the plain loader."""
    hidden = b"0" + call("builtins", "exec", touch(marker)) + b"."
    return whole_wrapper("f8", (0,)) + b"0" + hidden.ljust(48, b"\xff") + b"."


def pointer_forgery(_: str) -> bytes:
    """Fill an array of objects with numbers, by an element type that denies holding objects."""
    dtype = stack_global("numpy", "dtype") + text("O8") + b"\x89\x88\x87R"
    dtype += b"(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    array = stack_global("numpy._core.multiarray", "_reconstruct")
    array += stack_global("numpy", "ndarray") + b"K\0\x85C\x01b\x87R"
    return whole(array, b"(K\x01K\x01\x85", dtype, b"\x89C\x08AAAAAAAAtb")


def element_type(code: str, *state: bytes) -> Craft:
    """Return a craft of an element type with a state of its own."""
    dtype = stack_global("numpy", "dtype") + text(code) + b"\x89\x88\x87R"
    return lambda _: whole(dtype, b"(", *state, b"tb")


MINUS = b"J\xff\xff\xff\xff"
FLOAT = stack_global("numpy", "dtype") + text("f8") + b"\x89\x88\x87R"
FLOAT += b"(K\x03" + text("<") + b"NNN" + MINUS + MINUS + b"K\0tb"
CONTRADICTIONS: dict[str, Craft] = {
    "date-without-unit": element_type("M8", b"K\x04", text("<"), b"NNN", MINUS, MINUS, b"K\0"),
    "text-of-another-size": element_type("S3", b"K\x03", text("|"), b"NNNK\x04K\x01K\0"),
    "objects-without-flag": element_type("O8", b"K\x03", text("|"), b"NNN", MINUS, MINUS, b"K\0"),
    "flag-without-objects": element_type("f8", b"K\x03", text("<"), b"NNN", MINUS, MINUS, b"K?"),
    "names-without-fields": element_type(
        "V8", b"K\x03", text("|"), b"N", text("a"), b"\x85}K\x08K\x01K\x10"
    ),
    "field-outside": element_type(
        *("V8", b"K\x03", text("|"), b"N", text("a"), b"\x85}", text("a"), FLOAT),
        b"K\x04\x86sK\x08K\x01K\x10",
    ),
    "negative-offset": element_type(
        *("V8", b"K\x03", text("|"), b"N", text("a"), b"\x85}", text("a"), FLOAT),
        MINUS + b"\x86sK\x08K\x01K\x10",
    ),
    "twice-given": lambda _: whole(FLOAT, b"(K\x03", text("<"), b"NNN", MINUS, MINUS, b"K\0tb"),
}


def short_list(_: str) -> bytes:
    """Give an array of many objects a list of one; NumPy reads on behind the list."""
    dtype = stack_global("numpy", "dtype") + text("O8") + b"\x89\x88\x87R"
    dtype += b"(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb"
    array = stack_global("numpy._core.multiarray", "_reconstruct")
    array += stack_global("numpy", "ndarray") + b"K\0\x85C\x01b\x87R"
    return whole(array, b"(K\x01K\x5a\x85", dtype, b"\x89]Natb")


def object_array(marker: str) -> bytes:
    """Put the payload into an array of objects that joblib writes as a pickle of its own."""
    buffer = io.BytesIO()
    joblib.dump({"weights": np.zeros(3), "x": np.array([evil(marker)], dtype=object)}, buffer)
    return buffer.getvalue()


def after_array(marker: str) -> bytes:
    """Put the payload behind arrays."""
    buffer = io.BytesIO()
    joblib.dump([np.zeros(1000), np.ones(10), evil(marker)], buffer)
    return buffer.getvalue()


def dump(value: Any, protocol: int) -> Craft:
    """Return a craft that pickles the payload in something."""

    def craft(marker: str) -> bytes:
        return pickle.dumps(value(marker), protocol)

    return craft


def optimized(marker: str) -> bytes:
    """Drop what the pickle does not need."""
    return pickletools.optimize(pickle.dumps({"a": [evil(marker)]}))


EXECUTING: dict[str, Craft] = {
    **{f"exec-protocol-{n}": dump(evil, n) for n in range(6)},
    **{f"exec-in-dict-protocol-{n}": dump(lambda m: {"w": [1, (evil(m),)]}, n) for n in range(6)},
    **{
        function.__name__.replace("_", "-"): function
        for function in (
            import_chain,
            operator_chain,
            method_caller,
            memo_names,
            long_binput_names,
            escaped_names,
            quoted_names,
            inst,
            obj,
            new_object,
            new_object_ex,
            nested_reduce,
            build_setstate,
            optimized,
        )
    },
}


def named(module: str, name: str, *arguments: str) -> Craft:
    """Return a craft that calls something by name."""
    return lambda marker: whole(call(module, name, *(arguments or (marker,))))


DANGEROUS: dict[str, Craft] = {
    f"{module}.{name}": named(module, name, *arguments)
    for module, name, *arguments in (
        ("os", "system"),
        ("posix", "system"),
        ("nt", "system"),
        ("subprocess", "check_output"),
        ("builtins", "eval"),
        ("builtins", "compile"),
        ("builtins", "__import__"),
        ("__builtin__", "eval"),
        ("builtins", "getattr"),
        ("builtins", "open"),
        ("builtins", "map"),
        ("builtins", "type"),
        ("io", "open"),
        ("pty", "spawn"),
        ("runpy", "run_path"),
        ("pickle", "loads"),
        ("_pickle", "load"),
        ("marshal", "loads"),
        ("types", "FunctionType"),
        ("types", "CodeType"),
        ("ctypes", "CDLL"),
        ("importlib", "import_module"),
        ("pip._internal", "main"),
        ("webbrowser", "open"),
        ("socket", "create_connection"),
        ("urllib.request", "urlopen"),
        ("shutil", "rmtree"),
        ("pdb", "run"),
        ("timeit", "timeit"),
        ("cProfile", "run"),
        ("code", "interact"),
        ("asyncio.unix_events", "_UnixSubprocessTransport._start"),
        ("functools", "partial"),
        ("operator", "attrgetter"),
        ("builtins", "dict.get"),
        ("numpy.testing._private.utils", "runstring"),
        ("numpy.f2py.crackfortran", "getlincoef"),
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy", "memmap"),
        ("numpy", "ndarray"),
        ("numpy.core", "_reconstruct"),
        ("joblib", "load"),
        ("joblib.numpy_pickle", "NumpyUnpickler"),
        ("joblib.numpy_pickle", "NDArrayWrapper"),
        ("joblib.memory", "Memory"),
        ("sklearn.datasets._base", "load_files"),
        ("sklearn.utils._testing", "raises"),
        ("sklearn.linear_model._logistic", "os.system"),
        ("sklearn.utils", "joblib.load"),
        ("pandas.core.computation.scope", "Scope"),
        ("pandas", "read_pickle"),
        ("pandas", "eval"),
        ("pandas.io.common", "get_handle"),
        ("pandas.core.frame", "DataFrame.eval"),
        ("scipy.stats._distn_infrastructure", "rv_discrete"),
        ("torch", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("torch.jit", "load"),
        ("torch.hub", "load"),
        ("torch.serialization", "load"),
        ("cloudpickle.cloudpickle", "_make_function"),
        ("dill._dill", "_create_function"),
        ("lightgbm.basic", "os.system"),
        ("xgboost.core", "ctypes.CDLL"),
        ("_codecs", "encode", "x", "zlib_codec"),
        ("copyreg", "_reconstructor", "x", "y", "z"),
        ("copyreg", "__newobj__"),
        ("sklearn.pipeline", "Pipeline"),
    )
}

TWO_FACED: dict[str, Craft] = {
    function.__name__.replace("_", "-"): function
    for function in (
        build_on_class,
        class_swap,
        extension,
        extension_4,
        persistent,
        persistent_line,
        out_of_band,
        appended,
        stop_in_frame,
        crossing_frame,
        joblib_frame,
        joblib_plain,
        joblib_forged_flags,
        joblib_wrapping_shape,
        joblib_no_padding,
        pointer_forgery,
        short_list,
        object_array,
        after_array,
    )
}


def _length(code: bytes, width: int, length: int) -> bytes:
    return b"\x80\x04" + code + length.to_bytes(width, "little")


BOMBS: dict[str, bytes] = {
    "bytes-8": _length(b"\x8e", 8, 1 << 40),
    "bytes-4": _length(b"B", 4, 0xFFFFFFFF),
    "bytes-negative": _length(b"\x8e", 8, (1 << 64) - 1),
    "text-8": _length(b"\x8d", 8, 1 << 50),
    "bytearray-8": _length(b"\x96", 8, 1 << 36),
    "long-4": _length(b"\x8b", 4, 0x7FFFFFFF),
    "frame": _length(b"\x95", 8, 1 << 40) + b"N.",
    "memo-index": whole(b"Nr\xff\xff\xff\x7f"),
    "memo-line": whole(b"Np9999999999\n"),
    "bytearray-of-number": whole(
        stack_global("builtins", "bytearray"), b"\x8a\x05\0\0\0\0\x10\x85R"
    ),
    "bytes-of-number": whole(stack_global("__builtin__", "bytes"), b"J\xff\xff\xff\x7f\x85R"),
    "array-shape": whole(
        stack_global("numpy._core.multiarray", "_reconstruct"),
        stack_global("numpy", "ndarray"),
        b"\x8a\x05\0\0\0\0\x10\x85C\x01b\x87R",
    ),
    "element-size": whole(stack_global("numpy", "dtype"), text("V999999999"), b"\x89\x88\x87R"),
    "set-of-range": whole(
        stack_global("builtins", "set"),
        stack_global("builtins", "range"),
        b"J\xff\xff\xff\x7f\x85R\x85R",
    ),
    "list-of-range": whole(
        stack_global("builtins", "list"),
        stack_global("builtins", "range"),
        b"J\xff\xff\xff\x7f\x85R\x85R",
    ),
    "index-of-shape": whole(
        stack_global("pandas.core.indexes.base", "_new_Index"),
        stack_global("numpy", "ndarray"),
        b"}",
        text("shape"),
        b"J\xff\xff\xff\x7fs\x86R",
    ),
    "doubling-tuples": whole(b")", b"2\x86" * 40),
    "deep-tuples": whole(b")", b"\x85" * 2000),
    "huge-number-line": b"I" + b"9" * 100_000 + b"\n.",
    "joblib-array": whole_wrapper("f8", (1 << 40,)) + b"\x01\xff",
}
