"""The pickle operations of protocols 0 to 5, named as in `pickletools`."""

from __future__ import annotations

from security.model_scan.pickle.nesting import is_too_deep
from security.model_scan.pickle.pickle_containers import CONTAINERS
from security.model_scan.pickle.pickle_literals import (
    LITERALS,
    Operation,
    decode,
    read_argument,
    read_index,
    read_length,
    read_unsigned,
)
from security.model_scan.pickle.pickle_machine import Machine, MalformedError
from security.model_scan.pickle.pickle_values import (
    UNKNOWN,
    Global,
    Instance,
    Mapping,
    Value,
)
from security.model_scan.report import ScanSeverity, UnscannedError

_HIGHEST_PROTOCOL = 5
_STOP = b"."[0]
_ARRAY = Global("numpy", "ndarray")
WRAPPER = Global("joblib.numpy_pickle", "NumpyArrayWrapper")


# Stack, memo, frames


def _mark(machine: Machine) -> None:
    machine.outer.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _pop_mark(machine: Machine) -> None:
    machine.pop_mark()


def _duplicate(machine: Machine) -> None:
    machine.stack.append(machine.top())


def _put(width: int) -> Operation:
    def put(machine: Machine) -> None:
        machine.remember(read_unsigned(machine, width) if width else read_index(machine))

    return put


def _get(width: int) -> Operation:
    def get(machine: Machine) -> None:
        machine.recall(read_unsigned(machine, width) if width else read_index(machine))

    return get


def _memoize(machine: Machine) -> None:
    machine.remember(len(machine.memo))


def _frame(machine: Machine) -> None:
    machine.begin_frame(read_length(machine, 8))


def _protocol(machine: Machine) -> None:
    if machine.stream.read(1)[0] > _HIGHEST_PROTOCOL:
        raise MalformedError("malformed pickle: unknown protocol")


# Names, calls, objects


def _names(machine: Machine, encoding: str) -> None:
    module = decode(read_argument(machine, "a module name"), encoding)
    machine.name(module, decode(read_argument(machine, "a name"), encoding))


def _global(machine: Machine) -> None:
    _names(machine, "utf-8")


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.name(module, name)


def _extension(width: int) -> Operation:
    def push(machine: Machine) -> None:
        code = read_unsigned(machine, width)
        if machine.accidental:
            raise MalformedError("malformed pickle: extension code that nothing has registered")
        message = f"loading imports the name of a registered extension code: {code}"
        machine.find("pickle-extension", ScanSeverity.HIGH, message)
        machine.stack.append(UNKNOWN)

    return push


def _reduce(machine: Machine) -> None:
    arguments, target = machine.pop(), machine.pop()
    machine.stack.append(machine.call(target, arguments))


def _new_object(machine: Machine) -> None:
    arguments, target = machine.pop(), machine.pop()
    machine.stack.append(machine.make(target, arguments))


def _new_object_with_keywords(machine: Machine) -> None:
    keywords, arguments, target = machine.pop(), machine.pop(), machine.pop()
    if not isinstance(keywords, Mapping) or not isinstance(arguments, tuple):
        raise UnscannedError("pickle that creates an object with keywords that are not a dict")
    machine.stack.append(machine.make(target, (*arguments, *keywords.entries.values())))


def _instantiate(machine: Machine, target: Value, arguments: tuple[Value, ...]) -> None:
    """Follow INST and OBJ: without arguments they do not call `__init__`."""
    machine.stack.append(machine.call(target, arguments) if arguments else machine.make(target, ()))


def _instance(machine: Machine) -> None:
    _names(machine, "ascii")
    target = machine.pop()
    _instantiate(machine, target, tuple(machine.pop_mark()))


def _object(machine: Machine) -> None:
    arguments = machine.pop_mark()
    if not arguments:
        raise MalformedError("malformed pickle: object without a class")
    _instantiate(machine, arguments[0], tuple(arguments[1:]))


def _build(machine: Machine) -> None:
    state = machine.pop()
    target = machine.top()
    machine.build(target, state)
    if isinstance(target, Instance) and target.maker == WRAPPER:
        machine.wrapped = True
        if machine.read_array is not None:
            machine.check_frame(ended=True)
            machine.read_array(machine, target)
            machine.stack[-1] = Instance(_ARRAY)


def _identity_line(machine: Machine) -> None:
    machine.identify(decode(read_argument(machine, "a persistent id"), "ascii"))


def _identity(machine: Machine) -> None:
    machine.identify(machine.pop())


def _outside(machine: Machine) -> None:
    raise MalformedError("malformed pickle: reference to an out-of-band buffer")


def _read_only(machine: Machine) -> None:
    machine.top()


_OPERATIONS: dict[bytes, Operation] = {
    **LITERALS,
    b"\x97": _outside,
    b"\x98": _read_only,
    **CONTAINERS,
    # stack, memo, frames
    b"(": _mark,
    b"0": _pop,
    b"1": _pop_mark,
    b"2": _duplicate,
    b"p": _put(0),
    b"q": _put(1),
    b"r": _put(4),
    b"\x94": _memoize,
    b"g": _get(0),
    b"h": _get(1),
    b"j": _get(4),
    b"\x95": _frame,
    b"\x80": _protocol,
    # names, calls, objects
    b"c": _global,
    b"\x93": _stack_global,
    b"\x82": _extension(1),
    b"\x83": _extension(2),
    b"\x84": _extension(4),
    b"R": _reduce,
    b"\x81": _new_object,
    b"\x92": _new_object_with_keywords,
    b"i": _instance,
    b"o": _object,
    b"b": _build,
    b"P": _identity_line,
    b"Q": _identity,
}
_TABLE = [_OPERATIONS.get(bytes([code])) for code in range(256)]


def _check_depth(machine: Machine, made: Value) -> None:
    """Refuse objects that are nested so deeply that using or freeing them crashes."""
    if is_too_deep((made, *machine.memo.values())):
        machine.find("pickle-bomb", ScanSeverity.HIGH, "objects nested too deeply")
        raise UnscannedError("pickle with objects nested too deeply")


def read_pickle(machine: Machine) -> Value:
    """Follow one pickle to its end and return its value.

    Raises:
        MalformedError: every loader stops before the end.
        UnscannedError: the machine cannot follow the pickle, or loaders read it differently.
    """
    stream = machine.stream
    for _ in range(machine.limits.opcodes):
        code = stream.read_byte()
        operation = _TABLE[code]
        if operation is None:
            if code == _STOP:
                machine.check_frame(ended=True)
                made = machine.pop()
                _check_depth(machine, made)
                return made
            raise MalformedError(f"not a pickle operation: 0x{code:02x}")
        operation(machine)
        if machine.frame_end is not None and stream.position >= machine.frame_end:
            machine.check_frame()
    raise UnscannedError(f"pickle with more than {machine.limits.opcodes} operations")


def starts_like_pickle(head: bytes) -> bool:
    """Say whether content starts with a pickle operation; protocols 0 and 1 have no header."""
    return bool(head) and _TABLE[head[0]] is not None
