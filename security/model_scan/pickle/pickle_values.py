"""The symbols for the values of a pickle: just enough to know each call and its arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

_MOST_ENTRIES = 256
_MOST_NODES = 1_000_000
_DEEPEST = 500
_FIRST_ITEMS = 8
_NOTES = ("__doc__", "__name__")
_BYTE_MAKERS = frozenset(
    {"_codecs.encode", "builtins.bytearray", "__builtin__.bytearray", "__builtin__.bytes"}
)

# Numbers, None, True, False, short strings, short bytes and tuples are plain Python values.
Value = object


class Identities(Enum):
    """The meaning of a persistent id to the loader of the pickle."""

    REFUSED = "refused"  # the plain loader raises; another one could do anything
    STORAGES = "storages"  # PyTorch's loader inserts the storage of a tensor
    MALFORMED = "malformed"  # the file is not meant to be a pickle, and a plain loader stops


@dataclass(frozen=True, slots=True)
class Global:
    """A name that the loader would import: a class, a function, any attribute of any module."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Opaque:
    """A string, bytes or a number beyond a limit, or an unknown value.

    Attributes:
        length: of the bytes.
    """

    kind: str
    length: int = field(default=0, compare=False)


OPAQUE_TEXT = Opaque("text")
OPAQUE_BYTES = Opaque("bytes")
OPAQUE_INT = Opaque("int")
UNKNOWN = Opaque("unknown")


@dataclass(slots=True, eq=False)
class Items:
    """A list or a set: its length and first items, because the machine has checked all of them.

    Attributes:
        inner: the containers among all items.
    """

    kind: str
    length: int = 0
    first: list[Value] = field(default_factory=list)
    inner: list[Value] | None = None

    def add(self, items: list[Value]) -> None:
        """Add items at the end."""
        self.length += len(items)
        if len(self.first) < _FIRST_ITEMS:
            self.first += items[: _FIRST_ITEMS - len(self.first)]
        self.inner = hold(self.inner, items)


@dataclass(slots=True, eq=False)
class Mapping:
    """A dict, with its first entries under string keys.

    Attributes:
        whole: whether `entries` is complete.
        special: whether a key has the form `__name__`; a text or None of `__doc__` is harmless.
        inner: the containers among all keys and values.
    """

    entries: dict[str, Value] = field(default_factory=dict)
    whole: bool = True
    special: bool = False
    inner: list[Value] | None = None

    def put(self, key: Value, value: Value) -> None:
        """Set an item as a dict would."""
        if not isinstance(value, (str, int, float)) or isinstance(key, tuple):
            self.inner = hold(self.inner, (key, value))
        if not isinstance(key, str):
            self.whole = False
            return
        if is_special(key) and not (key in _NOTES and _is_note(value)):
            self.special = True
        if key in self.entries or len(self.entries) < _MOST_ENTRIES:
            self.entries[key] = value
        else:
            self.whole = False


@dataclass(slots=True, eq=False)
class Instance:
    """The object that a call or a class would return.

    Attributes:
        maker: the class, or the called function.
        arguments: the arguments of the call.
        state: the last state that BUILD has set.
        builds: the number of BUILD operations.
        grown: whether items were added.
        inner: the states and the containers among the added items.
    """

    maker: Global
    arguments: tuple[Value, ...] = ()
    state: Value = None
    builds: int = 0
    grown: bool = False
    inner: list[Value] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Persistent:
    """The object that a custom loader inserts for a persistent id, such as PyTorch's storages."""

    identity: Value


def hold(inner: list[Value] | None, items: Iterable[Value]) -> list[Value] | None:
    """Return the containers of a value, with those among new items."""
    more: list[Value] = [one for one in items if isinstance(one, (tuple, Items, Mapping, Instance))]
    if more and inner is None:
        return more
    if inner is not None:
        inner += more
    return inner


def _is_note(value: Value) -> bool:
    """Say whether a value is a text or None."""
    return value is None or isinstance(value, str) or value == OPAQUE_TEXT


def is_special(name: str) -> bool:
    """Say whether Python reserves an attribute name: `__name__`."""
    return name.startswith("__") and name.endswith("__")


def is_bytes(value: Value) -> bool:
    """Say whether a value is bytes in the form of any protocol."""
    if isinstance(value, Instance):
        return str(value.maker) in _BYTE_MAKERS
    return value == OPAQUE_BYTES or isinstance(value, bytes)


def may_be_called(value: Value) -> bool:
    """Say whether a value could be callable to the loader."""
    return isinstance(value, (Global, Instance, Opaque, Persistent))


def find_overgrowth(group: tuple[Value, ...]) -> str | None:
    """Return why hashing a tuple would take too long or exhaust the stack; None if it is safe.

    A tuple that holds another one twice, level after level, costs a few bytes per level and doubles
    the time to hash it each time; a deep one overflows the C stack.
    """
    nodes = 0
    levels: list[Iterator[Value]] = [_nested(group)]
    while levels:
        child = next(levels[-1], None)
        if child is None:
            levels.pop()
            continue
        assert isinstance(child, tuple)  # nosec B101  # for the type checker
        nodes += 1 + len(child)
        if nodes > _MOST_NODES:
            return "nested tuples that share too many references"
        if len(levels) > _DEEPEST:
            return "tuples nested too deeply"
        levels.append(_nested(child))
    return None


def _nested(group: Iterable[Value]) -> Iterator[Value]:
    """Iterate over the tuples in a tuple."""
    return (one for one in group if isinstance(one, tuple))


def are_names(*values: Value) -> bool:
    """Say whether all values that are known are dotted Python names.

    A text of lines, such as a table or a list of labels, often starts like an import.
    """
    known = (value for value in values if isinstance(value, str))
    return all(part.isidentifier() for text in known for part in text.split("."))
