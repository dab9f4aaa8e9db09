"""What a pickle builds, as symbols: enough to know what would be called with what, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_MOST_ENTRIES = 256
_MOST_NODES = 1_000_000
_DEEPEST = 500
_BYTE_MAKERS = frozenset(
    {"_codecs.encode", "builtins.bytearray", "__builtin__.bytearray", "__builtin__.bytes"}
)

# Numbers, None, True, False, short strings and short bytes stand for themselves, tuples for tuples.
Value = object


@dataclass(frozen=True, slots=True)
class Global:
    """Something that the loader would import: a class, a function, any attribute of any module."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Opaque:
    """A string, bytes or a number too long to be of interest, or something not known at all."""

    kind: str


OPAQUE_TEXT = Opaque("text")
OPAQUE_BYTES = Opaque("bytes")
OPAQUE_INT = Opaque("int")
UNKNOWN = Opaque("unknown")


@dataclass(slots=True, eq=False)
class Items:
    """A list or a set. What is in it was looked at when it was made; only the number is kept."""

    kind: str
    length: int = 0


@dataclass(slots=True, eq=False)
class Mapping:
    """A dict, with its first entries under string keys.

    Attributes:
        whole: whether `entries` has all there are.
        special: whether a key looks like `__this__`.
    """

    entries: dict[str, Value] = field(default_factory=dict)
    whole: bool = True
    special: bool = False

    def put(self, key: Value, value: Value) -> None:
        """Set an item as a dict would."""
        if not isinstance(key, str):
            self.whole = False
            return
        if is_special(key):
            self.special = True
        if key in self.entries or len(self.entries) < _MOST_ENTRIES:
            self.entries[key] = value
        else:
            self.whole = False


@dataclass(slots=True, eq=False)
class Instance:
    """What a call or a class would have made.

    Attributes:
        maker: the class, or the function that was called.
        arguments: of the call.
        state: what BUILD has given it last, and `builds` how often.
    """

    maker: Global
    arguments: tuple[Value, ...] = ()
    state: Value = None
    builds: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Persistent:
    """What a loader of its own would put in the place of an id, as PyTorch does with storages."""

    identity: Value


def is_special(name: str) -> bool:
    """Say whether Python gives an attribute of this name a meaning of its own."""
    return name.startswith("__") and name.endswith("__")


def is_bytes(value: Value) -> bool:
    """Say whether a value is bytes, as any protocol writes them."""
    if isinstance(value, Instance):
        return str(value.maker) in _BYTE_MAKERS
    return value == OPAQUE_BYTES or isinstance(value, bytes)


def may_be_called(value: Value) -> bool:
    """Say whether nobody knows what a value is to the loader."""
    return isinstance(value, (Global, Instance, Opaque, Persistent))


def find_overgrowth(group: tuple[Value, ...]) -> str | None:
    """Say what is wrong with a tuple whose hash would take forever or exhaust the stack.

    A tuple of two of the same tuple of two and so on costs a few bytes a level and doubles the time
    to hash it; a deep one overflows the C stack.
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
            return "tuples that refer to each other many times over"
        if len(levels) > _DEEPEST:
            return "tuples nested too deeply"
        levels.append(_nested(child))
    return None


def _nested(group: Iterable[Value]) -> Iterator[Value]:
    """Iterate over the tuples in a tuple."""
    return (one for one in group if isinstance(one, tuple))
