"""The pickle operations that push a number, a constant, a text or bytes, by their codes."""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Callable

from security.model_scan.pickle.pickle_machine import Machine, MalformedError
from security.model_scan.pickle.pickle_values import (
    OPAQUE_INT,
    OPAQUE_TEXT,
    Identities,
    Opaque,
    Value,
)
from security.model_scan.report import UnscannedError

Operation = Callable[[Machine], None]
_SHORT_BYTES = 64
_INTEGER = re.compile(rb"-?(0|[1-9][0-9]{0,999})L?")
_INDEX = re.compile(rb"[0-9]{1,18}")
_FIRST_LOOK = 64
_LIKELY = re.compile(rb"[\w\s+.\-]{64}")
# What int() or strtol() take for a number; a loader stops at anything else. CPython's C machine
# ignores what follows a NUL.
_LIKE_A_NUMBER = re.compile(
    rb"\s*[+-]?(?:0[xX][0-9a-fA-F_]+|0[oObB][0-9_]+|[0-9][0-9_]*)\s*L?\s*(?:\x00.*)?|\x00.*",
    re.DOTALL,
)


def read_unsigned(machine: Machine, width: int) -> int:
    """Read an unsigned length or index of `width` bytes."""
    if width == 1:
        return machine.stream.read_byte()
    return int.from_bytes(machine.stream.read(width), "little")


def read_length(machine: Machine, width: int) -> int:
    """Read a length that the C machine treats as signed: it stops at a negative one."""
    length = read_unsigned(machine, width)
    if width >= 4 and length >> 62:
        raise MalformedError("malformed pickle: negative or impossible length")
    return length


def read_argument(machine: Machine, what: str) -> bytes:
    """Read a number, a name or an id; those of real models are shorter than the limit."""
    start = machine.stream.peek(_FIRST_LOOK)
    likely = _LIKELY.match(start) or _has_ended(start)
    line = machine.stream.read_line(machine.limits.line)
    if line is None and likely:
        raise UnscannedError(f"pickle with {what} longer than the limit")
    if line is None:
        raise MalformedError(f"malformed pickle: overlong line instead of {what}")
    return line


def _has_ended(start: bytes) -> bool:
    """Whether an overlong line starts with a number that the C machine takes up to a NUL."""
    return b"\0" in start and b"\n" not in start.partition(b"\0")[0]


def decode(raw: bytes, encoding: str, errors: str = "strict") -> str:
    """Decode text as the loader does."""
    try:
        return raw.decode(encoding, errors)
    except UnicodeDecodeError as error:
        raise MalformedError("malformed pickle: text that does not decode") from error


# Numbers and constants


def _push_int_line(machine: Machine) -> None:
    line = read_argument(machine, "a number")
    if line in (b"00", b"01"):
        machine.stack.append(line == b"01")
        return
    if _INTEGER.fullmatch(line):
        machine.stack.append(int(line.rstrip(b"L")))
    else:
        _accept_odd(machine, line)
        machine.stack.append(OPAQUE_INT)


def _accept_odd(machine: Machine, line: bytes) -> None:
    """Accept a number that no pickler writes in content that is not meant to be a pickle."""
    if not _LIKE_A_NUMBER.fullmatch(line):
        raise MalformedError("malformed pickle: not a number")
    if machine.identities is not Identities.MALFORMED:
        raise UnscannedError("pickle with a number in a form that no pickler writes")


def _push_float_line(machine: Machine) -> None:
    line = read_argument(machine, "a number")
    try:
        machine.stack.append(float(line.partition(b"\0")[0]))
    except ValueError as error:
        raise MalformedError("malformed pickle: not a number") from error
    if b"\0" in line and machine.identities is not Identities.MALFORMED:
        raise UnscannedError("pickle with a number in a form that no pickler writes")


def _push_long(width: int) -> Operation:
    def push(machine: Machine) -> None:
        length = read_length(machine, width)
        if length > 16:
            machine.stream.skip(length)
            machine.stack.append(OPAQUE_INT)
        else:
            raw = machine.stream.read(length)
            machine.stack.append(int.from_bytes(raw, "little", signed=True))

    return push


def _push_struct(code: str) -> Operation:
    unpack, size = struct.Struct(code).unpack, struct.calcsize(code)

    def push(machine: Machine) -> None:
        machine.stack.append(unpack(machine.stream.read(size))[0])

    return push


def push_constant(value: Value) -> Operation:
    def push(machine: Machine) -> None:
        machine.stack.append(value)

    return push


def push_new(make: Callable[[], Value]) -> Operation:
    def push(machine: Machine) -> None:
        machine.stack.append(make())

    return push


# Text and bytes


def _push_text(width: int) -> Operation:
    def push(machine: Machine) -> None:
        length = read_length(machine, width)
        if length > machine.limits.text:
            machine.stream.skip(length)
            machine.stack.append(OPAQUE_TEXT)
        else:
            machine.stack.append(decode(machine.stream.read(length), "utf-8", "surrogatepass"))

    return push


def _push_bytes(width: int) -> Operation:
    def push(machine: Machine) -> None:
        length = read_length(machine, width)
        if length > _SHORT_BYTES:
            machine.stream.skip(length)
            machine.stack.append(Opaque("bytes", length))
        else:
            machine.stack.append(machine.stream.read(length))

    return push


def _push_old_string(width: int) -> Operation:
    def push(machine: Machine) -> None:
        length = read_length(machine, width)
        if length > machine.limits.text:
            machine.stream.skip(length)
            machine.stack.append(OPAQUE_TEXT)
        else:
            machine.stack.append(_from_ascii(machine.stream.read(length)))

    return push


def _from_ascii(raw: bytes) -> Value:
    """Decode a string of Python 2; other characters than ASCII depend on the loader's options."""
    return raw.decode("ascii") if raw.isascii() else OPAQUE_TEXT


def _push_string_line(machine: Machine) -> None:
    line = machine.stream.read_line(machine.limits.line)
    if line is None:
        machine.stack.append(OPAQUE_TEXT)
        return
    quoted = line.strip()
    if len(quoted) < 2 or quoted[:1] != quoted[-1:] or quoted[:1] not in (b"'", b'"'):
        raise MalformedError("malformed pickle: string without quotes")
    try:
        raw, _ = codecs.escape_decode(quoted[1:-1])
    except ValueError as error:
        raise MalformedError("malformed pickle: string that does not decode") from error
    machine.stack.append(_from_ascii(raw))


def _push_text_line(machine: Machine) -> None:
    line = machine.stream.read_line(machine.limits.text)
    if line is None:
        machine.stack.append(OPAQUE_TEXT)
    else:
        machine.stack.append(decode(line, "raw-unicode-escape"))


def read_index(machine: Machine) -> int:
    start = machine.stream.peek(_FIRST_LOOK)
    line = machine.stream.read_line(machine.limits.line)
    if line is None and not _has_ended(start):
        raise MalformedError("malformed pickle: not a memo index")
    if line is None:
        raise UnscannedError("pickle with a memo index longer than the limit")
    if _INDEX.fullmatch(line):
        return int(line)
    _accept_odd(machine, line)
    try:
        return int(line.partition(b"\0")[0])
    except ValueError as error:
        raise MalformedError("malformed pickle: not a memo index") from error


LITERALS: dict[bytes, Operation] = {
    # numbers and constants
    b"I": _push_int_line,
    b"L": _push_int_line,
    b"F": _push_float_line,
    b"J": _push_struct("<i"),
    b"K": _push_struct("<B"),
    b"M": _push_struct("<H"),
    b"G": _push_struct(">d"),
    b"\x8a": _push_long(1),
    b"\x8b": _push_long(4),
    b"N": push_constant(None),
    b"\x88": push_constant(True),
    b"\x89": push_constant(False),
    # text and bytes
    b"S": _push_string_line,
    b"T": _push_old_string(4),
    b"U": _push_old_string(1),
    b"V": _push_text_line,
    b"\x8c": _push_text(1),
    b"X": _push_text(4),
    b"\x8d": _push_text(8),
    b"C": _push_bytes(1),
    b"B": _push_bytes(4),
    b"\x8e": _push_bytes(8),
    b"\x96": _push_bytes(8),
}
