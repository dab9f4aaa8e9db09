"""The symbolic pickle machine: stack, memo, frames, and the findings of each step.

It follows Lib/pickle.py of CPython, which joblib runs, and refuses bytes that the C machine reads
differently. It imports and calls nothing. The operations are in `pickle_operations`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from security.model_scan.byte_stream import ByteStream
from security.model_scan.limits import ScanLimits
from security.model_scan.pickle.allowed_globals import (
    ALLOWED,
    NAMES,
    check_call,
    check_state,
    makes_its_argument,
    may_be_text,
)
from security.model_scan.pickle.call_rules import take_method
from security.model_scan.pickle.numpy_dtype import ContradictionError, check_built
from security.model_scan.pickle.pickle_values import (
    UNKNOWN,
    Global,
    Identities,
    Instance,
    Items,
    Mapping,
    Persistent,
    Value,
    are_names,
    find_overgrowth,
    hold,
    may_be_called,
)
from security.model_scan.report import ScanSeverity, UnscannedError

Report = Callable[[str, ScanSeverity, str, int, str], None]
ArrayReader = Callable[["Machine", Instance], None]
NAMING = {"pickle-computed-name", "pickle-element-type", "pickle-extension", "pickle-import"}


class MalformedError(UnscannedError):
    """The bytes make every pickle loader stop."""


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
        acted: whether the pickle has called, made or changed an object, not only imported names.
    """

    stream: ByteStream
    limits: ScanLimits
    report: Report
    identities: Identities = Identities.REFUSED
    read_array: ArrayReader | None = None
    wrapped: bool = False
    storages: list[Persistent] = field(default_factory=list)
    acted: bool = False
    stack: list[Value] = field(default_factory=list)
    outer: list[list[Value]] = field(default_factory=list)
    memo: dict[int, Value] = field(default_factory=dict)
    frame_end: int | None = None
    start: int = 0

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
        """Copy the top into the memo; the C machine allocates all of it up to the index."""
        if index > self.stream.position - self.start and not self.accidental:
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
        if self.accidental:
            return  # loaders differ about a frame beyond the file
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

    @property
    def astray(self) -> bool:
        """Whether this is the plain reading of a joblib file, after an array wrapper.

        An array of objects is a separate pickle to joblib; the plain loader continues into it, and
        mostly stops soon. Only names that are allowed in no module count.
        """
        return self.wrapped and self.read_array is None

    @property
    def accidental(self) -> bool:
        """Whether the content is not meant to be a pickle."""
        return self.identities is Identities.MALFORMED

    def stumble(self, reason: str) -> None:
        """Refuse a step that stops most loaders, or continue for the loader that it does not stop.

        The Python machine accepts any sequence as arguments, and both accept a state of None and
        empty items for any object: a step that stops one loader can hide from the other.
        """
        if not self.astray and not self.accidental:
            raise UnscannedError(reason)

    def find(self, rule: str, severity: ScanSeverity, message: str, subject: str = "") -> None:
        """Report a finding at the current offset."""
        if self.astray and rule not in NAMING:
            return
        self.report(rule, severity, message, self.stream.position, subject)

    def name(self, module: Value, name: Value) -> None:
        """Push an imported name; finding 1: a name that is not allowed."""
        if self.accidental and not are_names(module, name):
            raise MalformedError("malformed pickle: import of a name that no module has")
        if not isinstance(module, str) or not isinstance(name, str):
            if may_be_text(module) and may_be_text(name):
                message = "loading imports a computed name"
                self.find("pickle-computed-name", ScanSeverity.HIGH, message)
            else:
                self.stumble("pickle with an import of a name that is not text")
            self.stack.append(UNKNOWN)
            return
        found = Global(module, name)
        good = name in NAMES if self.astray else found in ALLOWED
        if not good:
            message = f"loading imports a name that is not allowed: {found}"
            self.find("pickle-import", ScanSeverity.HIGH, message, str(found))
        self.stack.append(found)

    def call(self, target: Value, arguments: Value) -> Value:
        """Return the symbol for the result of a call; finding 2: a call that is not allowed."""
        self.acted = True
        if not isinstance(target, Global):
            self._call_unknown(target)
            return UNKNOWN
        if not isinstance(arguments, tuple):
            self.stumble("pickle with call arguments that are not a tuple")
            return UNKNOWN
        wrong = check_call(target, arguments)
        if wrong is not None:
            self.find("pickle-call", ScanSeverity.HIGH, wrong, str(target))
        if arguments and isinstance(arguments[0], Global) and makes_its_argument(target):
            return self._make_of(target, arguments[0], arguments[1:])
        return take_method(arguments) or Instance(target, arguments)

    def _call_unknown(self, target: Value) -> None:
        """Report the call of a value that is not a name."""
        if may_be_called(target):
            message = "loading calls a computed value"
            self.find("pickle-call", ScanSeverity.HIGH, message)
        else:
            self.stumble("pickle with a call of a value that is not callable")

    def _make_of(self, target: Global, made: Global, others: tuple[Value, ...]) -> Value:
        """Return an object of the class in the arguments; report a class that forbids it."""
        allowance = ALLOWED.get(made)
        if allowance is not None and not allowance.make:
            message = f"loading creates an object with {target}, which is not allowed: {made}"
            self.find("pickle-call", ScanSeverity.HIGH, message, str(made))
        return Instance(made, inner=hold(None, others))

    def make(self, target: Value, arguments: Value) -> Value:
        """Return an object without calling `__init__`; finding 3: a class that forbids it."""
        self.acted = True
        if not isinstance(target, Global):
            self._call_unknown(target)
            return UNKNOWN
        if not isinstance(arguments, tuple):
            self.stumble("pickle that creates an object with arguments that are not a tuple")
            return UNKNOWN
        allowance = ALLOWED.get(target)
        if allowance is not None and (arguments or not allowance.make):  # for `__new__`
            return self.call(target, arguments)
        return Instance(target, arguments)

    def build(self, target: Value, state: Value) -> None:
        """Set an object's state; finding 4: a global or special name, or numbers as pointers."""
        self.acted = True
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
        wrong = check_state(target.maker, state)
        if wrong is not None:
            self.find("pickle-build", ScanSeverity.HIGH, wrong, str(target.maker))
        target.state = state
        target.builds += 1
        target.inner = hold(target.inner, parts)
        try:
            check_built(target)
        except ContradictionError as error:
            self.find("pickle-element-type", ScanSeverity.HIGH, error.reason)
            raise
        except UnscannedError:
            if not self.astray:
                raise

    def grow(self, target: Value, items: list[Value]) -> None:
        """Add items to a container; finding 5: an object with its own method for it."""
        self.acted = self.acted or not isinstance(target, (Items, Mapping))
        if isinstance(target, Instance):
            target.grown = True
            target.inner = hold(target.inner, items)
            allowance = ALLOWED.get(target.maker)
            if allowance is not None and not allowance.grow:
                message = f"loading calls a method of an object to add items: {target.maker}"
                self.find("pickle-grow", ScanSeverity.MEDIUM, message, str(target.maker))
        elif not isinstance(target, (Items, Mapping)) and not may_be_called(target):
            self.stumble("pickle that adds items to a value that is not a container")

    def identify(self, identity: Value) -> None:
        """Push the object of a persistent id; finding 6: an id that only the loader resolves."""
        if self.accidental:
            raise MalformedError("malformed pickle: persistent id")
        if self.identities is Identities.REFUSED:
            message = "loading resolves a persistent id, which depends on the loader"
            self.find("pickle-persistent-id", ScanSeverity.HIGH, message)
        stored = Persistent(identity)
        self.storages.append(stored)
        self.stack.append(stored)
