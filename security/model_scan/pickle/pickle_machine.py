"""The symbolic pickle machine: stack, memo, frames, and the findings of each step.

It follows Lib/pickle.py of CPython, which joblib runs, and refuses bytes that CPython's C machine
reads differently. It imports nothing and calls nothing. The operations are in `pickle_operations`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from security.model_scan.byte_stream import ByteStream
from security.model_scan.limits import ScanLimits
from security.model_scan.pickle.allowed_globals import ALLOWED, Allowance
from security.model_scan.pickle.call_rules import CLASS_FIRST
from security.model_scan.pickle.numpy_dtype import ContradictionError, check_built
from security.model_scan.pickle.pickle_values import (
    OPAQUE_BYTES,
    OPAQUE_INT,
    UNKNOWN,
    Global,
    Instance,
    Items,
    Mapping,
    Opaque,
    Persistent,
    Value,
    find_overgrowth,
    may_be_called,
)
from security.model_scan.report import ScanSeverity, UnscannedError

Report = Callable[[str, ScanSeverity, str, int, str], None]
ArrayReader = Callable[["Machine", Instance], None]


class MalformedError(UnscannedError):
    """The bytes make every pickle loader stop."""


class Identities(Enum):
    """The meaning of a persistent id to the loader of the pickle."""

    REFUSED = "refused"  # the plain loader raises; another one could do anything
    STORAGES = "storages"  # PyTorch's loader inserts the storage of a tensor
    MALFORMED = "malformed"  # the file is not meant to be a pickle, and a plain loader stops


_UNSAFE = Allowance()
_ALLOWED_NAMES = frozenset(one.name for one in ALLOWED)
_NAMING = frozenset(
    {"pickle-computed-name", "pickle-element-type", "pickle-extension", "pickle-import"}
)


@dataclass(slots=True)
class Machine:
    """The state of one reading of one pickle.

    Attributes:
        report: receives rule, severity, message, offset and subject of each finding.
        identities: the meaning of persistent ids.
        read_array: reads an array like joblib's loader, after its wrapper was built; None for the
            plain loader, which continues with the next opcode.
        wrapped: whether the pickle has built an array wrapper.
        storages: the persistent ids of the pickle.
    """

    stream: ByteStream
    limits: ScanLimits
    report: Report
    identities: Identities = Identities.REFUSED
    read_array: ArrayReader | None = None
    wrapped: bool = False
    storages: list[Persistent] = field(default_factory=list)
    stack: list[Value] = field(default_factory=list)
    outer: list[list[Value]] = field(default_factory=list)
    memo: dict[int, Value] = field(default_factory=dict)
    frame_end: int | None = None
    start: int = 0

    # Stack and memo

    def pop(self) -> Value:
        """Pop the top of the stack."""
        if not self.stack:
            raise MalformedError("malformed pickle: pop from an empty stack")
        return self.stack.pop()

    def top(self) -> Value:
        """Return the top of the stack and leave it there."""
        if not self.stack:
            raise MalformedError("malformed pickle: top of an empty stack")
        return self.stack[-1]

    def pop_mark(self) -> list[Value]:
        """Pop all values since the last mark."""
        if not self.outer:
            raise MalformedError("malformed pickle: pop to a missing mark")
        items, self.stack = self.stack, self.outer.pop()
        return items

    def push_tuple(self, group: tuple[Value, ...]) -> None:
        """Push a tuple, unless hashing it would hang or crash the loader."""
        if any(isinstance(one, tuple) for one in group):
            wrong = find_overgrowth(group)
            if wrong is not None:
                self.find("pickle-bomb", ScanSeverity.HIGH, wrong)
                raise UnscannedError(f"pickle with {wrong}")
        self.stack.append(group)

    def remember(self, index: int) -> None:
        """Copy the top of the stack into the memo.

        The C machine allocates a memo up to the highest index: five bytes can allocate 64 GiB.
        """
        if index > self.stream.position - self.start:
            message = f"memo index beyond the length of the pickle: {index}"
            self.find("pickle-bomb", ScanSeverity.HIGH, message)
            raise UnscannedError("pickle with a memo index beyond its length")
        self.memo[index] = self.top()

    def recall(self, index: int) -> None:
        """Push a value of the memo."""
        if index not in self.memo:
            raise MalformedError("malformed pickle: unknown memo index")
        self.stack.append(self.memo[index])

    # Frames: the two machines agree only on frames that hold whole operations and do not nest.

    def begin_frame(self, length: int) -> None:
        """Enter a frame.

        Raises:
            UnscannedError: the frame is nested, or larger than the limit.
        """
        if length > self.limits.frame:
            message = f"frame longer than the limit: {length} bytes"
            self.find("pickle-bomb", ScanSeverity.HIGH, message)
            raise UnscannedError("pickle with a frame longer than the limit")
        self.check_frame(ended=True)
        self.frame_end = self.stream.position + length

    def check_frame(self, ended: bool = False) -> None:
        """Check that no operation crosses the end of a frame; if `ended`, that no frame is open."""
        if self.frame_end is None or self.stream.position < self.frame_end:
            if ended and self.frame_end is not None:
                raise UnscannedError("pickle with a frame longer than its content")
            return
        if self.stream.position > self.frame_end:
            raise UnscannedError("pickle with an operation that crosses the end of its frame")
        self.frame_end = None

    # Findings

    @property
    def astray(self) -> bool:
        """Whether this is the plain reading of a joblib file, after an array wrapper.

        An array of objects is a separate pickle to joblib. The plain loader continues into it with
        the memo of the outer pickle; most such readings soon stop without meaning. Only names that
        are allowed in no module count, because no code runs without one.
        """
        return self.wrapped and self.read_array is None

    def stumble(self, reason: str) -> None:
        """Refuse a step that stops most loaders; if astray, continue for the loader that does not.

        The Python machine accepts any sequence as arguments, and both machines accept a state of
        None and empty items for any object: a step that stops one loader can hide from the other.
        """
        if not self.astray:
            raise UnscannedError(reason)

    def find(self, rule: str, severity: ScanSeverity, message: str, subject: str = "") -> None:
        """Report a finding at the current offset."""
        if self.astray and rule not in _NAMING:
            return
        self.report(rule, severity, message, self.stream.position, subject)

    def name(self, module: Value, name: Value) -> None:
        """Push an imported name; finding 1: a name that is not allowed."""
        if not isinstance(module, str) or not isinstance(name, str):
            if _may_be_text(module) and _may_be_text(name):
                message = "loading imports a computed name"
                self.find("pickle-computed-name", ScanSeverity.HIGH, message)
            else:
                self.stumble("pickle with an import of a name that is not text")
            self.stack.append(UNKNOWN)
            return
        found = Global(module, name)
        if found not in ALLOWED and not (self.astray and name in _ALLOWED_NAMES):
            message = f"loading imports a name that is not allowed: {found}"
            self.find("pickle-import", ScanSeverity.HIGH, message, str(found))
        self.stack.append(found)

    def call(self, target: Value, arguments: Value) -> Value:
        """Return the symbol for the result of a call; finding 2: a call that is not allowed."""
        if not isinstance(target, Global):
            self._call_unknown(target)
            return UNKNOWN
        if not isinstance(arguments, tuple):
            self.stumble("pickle with call arguments that are not a tuple")
            return UNKNOWN
        allowance = ALLOWED.get(target)
        rule = (allowance or _UNSAFE).call
        wrong = "calls are not allowed" if rule is None else rule(arguments)
        if wrong is not None and allowance is not None:
            message = f"loading calls {target}{' with' if rule else ':'} {wrong}"
            self.find("pickle-call", ScanSeverity.HIGH, message, str(target))
        if rule in CLASS_FIRST and arguments and isinstance(arguments[0], Global):
            return self._make_of(target, arguments[0])
        return Instance(target, arguments)

    def _call_unknown(self, target: Value) -> None:
        """Report the call of a value that is not a name."""
        if may_be_called(target):
            message = "loading calls a computed value"
            self.find("pickle-call", ScanSeverity.HIGH, message)
        else:
            self.stumble("pickle with a call of a value that is not callable")

    def _make_of(self, target: Global, made: Global) -> Value:
        """Return an object of the class in the arguments; report a class that forbids it."""
        allowance = ALLOWED.get(made)
        if allowance is not None and not allowance.make:
            message = f"loading creates an object with {target}, which is not allowed: {made}"
            self.find("pickle-call", ScanSeverity.HIGH, message, str(made))
        return Instance(made)

    def make(self, target: Value, arguments: Value) -> Value:
        """Return an object without calling `__init__`; finding 3: a class that forbids it."""
        if not isinstance(target, Global):
            self._call_unknown(target)
            return UNKNOWN
        if not isinstance(arguments, tuple):
            self.stumble("pickle that creates an object with arguments that are not a tuple")
            return UNKNOWN
        allowance = ALLOWED.get(target)
        if allowance is not None and not allowance.make:
            return self.call(target, arguments)
        return Instance(target, arguments)

    def build(self, target: Value, state: Value) -> None:
        """Set an object's state; finding 4: a global or special name, or numbers as pointers."""
        if target == UNKNOWN:
            return
        if not isinstance(target, Instance):
            if isinstance(target, Global):
                message = f"loading sets global attributes, for the whole process: {target}"
                self.find("pickle-build", ScanSeverity.HIGH, message, str(target))
                return
            self.stumble("pickle that sets the state of a value without one")
            return
        parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        if any(isinstance(part, Mapping) and part.special for part in parts):
            message = f"loading sets special attributes of an object: {target.maker}"
            self.find("pickle-build", ScanSeverity.HIGH, message, str(target.maker))
        if len(parts) == 2 and isinstance(parts[1], Mapping) and not parts[1].whole:
            raise UnscannedError("pickle with attribute names that cannot be followed")
        target.state = state
        target.builds += 1
        try:
            check_built(target)
        except ContradictionError as error:
            self.find("pickle-element-type", ScanSeverity.HIGH, error.reason)
            raise
        except UnscannedError:
            if not self.astray:
                raise

    def grow(self, target: Value) -> None:
        """Add items to a container; finding 5: an object with its own method for it."""
        if isinstance(target, Instance):
            allowance = ALLOWED.get(target.maker)
            if allowance is not None and not allowance.grow:
                message = f"loading calls a method of an object to add items: {target.maker}"
                self.find("pickle-grow", ScanSeverity.MEDIUM, message, str(target.maker))
        elif not isinstance(target, (Items, Mapping)) and not may_be_called(target):
            self.stumble("pickle that adds items to a value that is not a container")

    def identify(self, identity: Value) -> None:
        """Push the object of a persistent id; finding 6: an id that only the loader resolves."""
        if self.identities is Identities.MALFORMED:
            raise MalformedError("malformed pickle: persistent id")
        if self.identities is Identities.REFUSED:
            message = "loading resolves a persistent id, which depends on the loader"
            self.find("pickle-persistent-id", ScanSeverity.HIGH, message)
        stored = Persistent(identity)
        self.storages.append(stored)
        self.stack.append(stored)


def _may_be_text(value: Value) -> bool:
    """Say whether a value could be a string to the loader."""
    if isinstance(value, (Global, Instance)):
        maker = value.maker if isinstance(value, Instance) else value
        return maker not in ALLOWED  # no allowed name is or returns a plain string
    return isinstance(value, (str, Opaque, Persistent)) and value not in (OPAQUE_BYTES, OPAQUE_INT)
