"""The pickle machine with inert symbols: stack, memo, frames, and what each step means for safety.

It follows Lib/pickle.py of CPython, which joblib runs, and refuses where CPython's C machine would
do something else with the same bytes. Nothing is imported and nothing is called. The operations are
in `pickle_operations`.
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
    """Bytes at which every pickle loader stops."""


class Identities(Enum):
    """What a persistent id means to whoever loads the pickle."""

    REFUSED = "refused"  # the plain loader raises; another one could do anything
    STORAGES = "storages"  # PyTorch's loader puts a tensor's storage there
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
        report: takes rule, severity, message, offset and subject of each finding.
        identities: how persistent ids are taken.
        read_array: what joblib's loader does when it has built an array's wrapper; None for the
            plain loader, which goes on with the next opcode.
        wrapped: whether an array's wrapper was met.
        storages: the persistent ids that were met.
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
        """Take the top of the stack."""
        if not self.stack:
            raise MalformedError("a pickle takes from an empty stack")
        return self.stack.pop()

    def top(self) -> Value:
        """Look at the top of the stack."""
        if not self.stack:
            raise MalformedError("a pickle looks at an empty stack")
        return self.stack[-1]

    def pop_mark(self) -> list[Value]:
        """Take everything since the last mark."""
        if not self.outer:
            raise MalformedError("a pickle takes up to a mark that is not there")
        items, self.stack = self.stack, self.outer.pop()
        return items

    def push_tuple(self, group: tuple[Value, ...]) -> None:
        """Push a tuple, unless the loader would hang when it hashes it."""
        if any(isinstance(one, tuple) for one in group):
            wrong = find_overgrowth(group)
            if wrong is not None:
                self.find("pickle-bomb", ScanSeverity.HIGH, wrong)
                raise UnscannedError(f"a pickle holds {wrong}")
        self.stack.append(group)

    def remember(self, index: int) -> None:
        """Put the top of the stack into the memo.

        The C machine allocates a memo as long as the highest index: five bytes can ask for 64 GiB.
        """
        if index > self.stream.position - self.start:
            self.find("pickle-bomb", ScanSeverity.HIGH, f"a memo index that cannot be: {index}")
            raise UnscannedError("a pickle uses a memo index beyond its length")
        self.memo[index] = self.top()

    def recall(self, index: int) -> None:
        """Push what the memo holds."""
        if index not in self.memo:
            raise MalformedError("a pickle reads a memo that was not written")
        self.stack.append(self.memo[index])

    # Frames: the two machines agree only on frames that hold whole operations and do not nest.

    def begin_frame(self, length: int) -> None:
        """Enter a frame.

        Raises:
            UnscannedError: it lies in another one, or is larger than any writer makes.
        """
        if length > self.limits.frame:
            self.find("pickle-bomb", ScanSeverity.HIGH, f"a frame of {length} bytes")
            raise UnscannedError("a pickle announces a frame beyond the limit")
        self.check_frame(ended=True)
        self.frame_end = self.stream.position + length

    def check_frame(self, ended: bool = False) -> None:
        """See that no operation crosses the end of a frame; or that no frame is open any more."""
        if self.frame_end is None or self.stream.position < self.frame_end:
            if ended and self.frame_end is not None:
                raise UnscannedError("a pickle's frame is longer than what is in it")
            return
        if self.stream.position > self.frame_end:
            raise UnscannedError("an operation of a pickle crosses the end of its frame")
        self.frame_end = None

    # What steps mean

    @property
    def astray(self) -> bool:
        """Whether this is the plain reading of a file of joblib's, behind an array's wrapper.

        An array of objects is a pickle of its own to joblib, and more of the same to the plain
        loader, which looks up the inner pickle's memo in the outer one's. Most such readings end
        soon, in a way that says nothing. Only what they name, outside of the names that are allowed
        in some module, counts: no code runs without that.
        """
        return self.wrapped and self.read_array is None

    def stumble(self, reason: str) -> None:
        """Refuse a step that stops most loaders; astray, go on for the one that it does not stop.

        The machine in Python takes any sequence for arguments, and both take a state of None and
        no items for anything: what stops one can be a way to hide from the other.
        """
        if not self.astray:
            raise UnscannedError(reason)

    def find(self, rule: str, severity: ScanSeverity, message: str, subject: str = "") -> None:
        """Report a finding at the current place."""
        if self.astray and rule not in _NAMING:
            return
        self.report(rule, severity, message, self.stream.position, subject)

    def name(self, module: Value, name: Value) -> None:
        """Push what the loader would import; finding 1: a name that is not allowed."""
        if not isinstance(module, str) or not isinstance(name, str):
            if _may_be_text(module) and _may_be_text(name):
                message = "a name to import is not plain text"
                self.find("pickle-computed-name", ScanSeverity.HIGH, message)
            else:
                self.stumble("a pickle imports something that has no name")
            self.stack.append(UNKNOWN)
            return
        found = Global(module, name)
        if found not in ALLOWED and not (self.astray and name in _ALLOWED_NAMES):
            message = f"loading imports {found}, which is not known to be harmless"
            self.find("pickle-import", ScanSeverity.HIGH, message, str(found))
        self.stack.append(found)

    def call(self, target: Value, arguments: Value) -> Value:
        """Return what a call would make; finding 2: a call that is not allowed."""
        if not isinstance(target, Global):
            self._call_unknown(target)
            return UNKNOWN
        if not isinstance(arguments, tuple):
            self.stumble("a pickle calls something with arguments that are not a tuple")
            return UNKNOWN
        allowance = ALLOWED.get(target)
        rule = (allowance or _UNSAFE).call
        wrong = "it may be named, not called" if rule is None else rule(arguments)
        if wrong is not None and allowance is not None:
            message = f"loading calls {target} with {wrong}" if rule else f"{target}: {wrong}"
            self.find("pickle-call", ScanSeverity.HIGH, message, str(target))
        if rule in CLASS_FIRST and arguments and isinstance(arguments[0], Global):
            return self._make_of(target, arguments[0])
        return Instance(target, arguments)

    def _call_unknown(self, target: Value) -> None:
        """Report the call of something that is not a name."""
        if may_be_called(target):
            message = "loading calls something that it has computed"
            self.find("pickle-call", ScanSeverity.HIGH, message)
        else:
            self.stumble("a pickle calls something that cannot be called")

    def _make_of(self, target: Global, made: Global) -> Value:
        """Return an object of the class that a call was given, if that class may be made."""
        allowance = ALLOWED.get(made)
        if allowance is not None and not allowance.make:
            message = f"loading makes an object of {made} with {target}"
            self.find("pickle-call", ScanSeverity.HIGH, message, str(made))
        return Instance(made)

    def make(self, target: Value, arguments: Value) -> Value:
        """Return an object made without `__init__`; finding 3: a class that may not be made."""
        if not isinstance(target, Global):
            self._call_unknown(target)
            return UNKNOWN
        if not isinstance(arguments, tuple):
            self.stumble("a pickle makes an object with arguments that are not a tuple")
            return UNKNOWN
        allowance = ALLOWED.get(target)
        if allowance is not None and not allowance.make:
            return self.call(target, arguments)
        return Instance(target, arguments)

    def build(self, target: Value, state: Value) -> None:
        """Give an object its state; finding 4: what is everybody's, or numbers as pointers."""
        if target == UNKNOWN:
            return
        if not isinstance(target, Instance):
            if isinstance(target, Global):
                message = f"loading sets attributes of {target} itself, for the whole process"
                self.find("pickle-build", ScanSeverity.HIGH, message, str(target))
                return
            self.stumble("a pickle gives a state to something that takes none")
            return
        parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        if any(isinstance(part, Mapping) and part.special for part in parts):
            message = f"loading sets special attributes of an object of {target.maker}"
            self.find("pickle-build", ScanSeverity.HIGH, message, str(target.maker))
        if len(parts) == 2 and isinstance(parts[1], Mapping) and not parts[1].whole:
            raise UnscannedError("a pickle sets attributes under names that cannot be followed")
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
        """Add items to something; finding 5: an object with methods of its own."""
        if isinstance(target, Instance):
            allowance = ALLOWED.get(target.maker)
            if allowance is not None and not allowance.grow:
                message = f"loading calls a method of an object of {target.maker} to add items"
                self.find("pickle-grow", ScanSeverity.MEDIUM, message, str(target.maker))
        elif not isinstance(target, (Items, Mapping)) and not may_be_called(target):
            self.stumble("a pickle adds items to what holds none")

    def identify(self, identity: Value) -> None:
        """Push what a persistent id stands for; finding 6: nobody can say what."""
        if self.identities is Identities.MALFORMED:
            raise MalformedError("a pickle asks for a persistent id")
        if self.identities is Identities.REFUSED:
            message = "loading asks the loader for an object by a persistent id"
            self.find("pickle-persistent-id", ScanSeverity.HIGH, message)
        stored = Persistent(identity)
        self.storages.append(stored)
        self.stack.append(stored)


def _may_be_text(value: Value) -> bool:
    """Say whether a value could be a string to the loader."""
    if isinstance(value, (Global, Instance)):
        maker = value.maker if isinstance(value, Instance) else value
        return maker not in ALLOWED  # none of the allowed ones is or makes a plain string
    return isinstance(value, (str, Opaque, Persistent)) and value not in (OPAQUE_BYTES, OPAQUE_INT)
