"""The interface of gates: what one is given, and what it answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import ClassVar, Protocol, TypeAlias

from security.errors import SecurityError
from security.finding import Finding

Json: TypeAlias = "str | int | float | bool | None | list[Json] | dict[str, Json]"


class GateError(SecurityError):
    """A gate could not judge: its tool is missing, crashed, hung, or answered what nobody reads."""

    kind: ClassVar[str] = "gate"


class Kind(Enum):
    """What a gate judges.

    SOURCE: the files of the source tree: what Git tracks and what it does not ignore.
    DATA: one out that is a dataset or a directory.
    MODEL: one out that is a model.
    """

    SOURCE = "source"
    DATA = "data"
    MODEL = "model"


class Place(Enum):
    """Where a gate's tool works.

    COPY: in a private directory with exactly the files that the gate reads. What is judged is what
        was digested, and no file that the gate did not ask for can have a say. Tool configuration
        in it is the protected branch's.
    CHECKOUT: in the project itself, for tools that need its data and its environment.
    """

    COPY = "copy"
    CHECKOUT = "checkout"


@dataclass(frozen=True, slots=True)
class Tool:
    """What judges: a change of any part of it makes a new judgement necessary.

    Attributes:
        version: as installed; of several programs, all of them.
        configuration: everything that changes what the tool would say and is not in the files that
            the gate reads: options, thresholds, digests of databases and environments.
    """

    name: str
    version: str
    configuration: Mapping[str, Json] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Return the digest of name, version and configuration."""
        parts = {"name": self.name, "version": self.version, **{"with": dict(self.configuration)}}
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to judge, and what may be used for it.

    Attributes:
        subject: ``source``, or the location of an out relative to the project's root.
        directory: where the tool works (``Place``), absolute. Paths in findings are relative to it.
        files: the files of the source tree that the gate reads, relative to the directory, sorted.
        out: the out's absolute path; None when the source tree is judged.
        scratch: a private directory that is removed afterwards, absolute.
        environment: variables for the tool's process; nothing else of ours reaches it.
        python: the interpreter of the project's environment, absolute; None if there is none.
        denied: paths that no process of a gate may read or write: keys, results, statements.
        timeout: seconds.
    """

    subject: str
    directory: Path
    files: tuple[str, ...]
    scratch: Path
    environment: Mapping[str, str]
    out: Path | None = None
    python: Path | None = None
    denied: tuple[Path, ...] = ()
    timeout: float = 600.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a gate has to say of one thing.

    Attributes:
        findings: all of them, silenced ones too.
        judged: how many files, packages, tests or rows were looked at. With none, nothing was
            judged, whatever else the report says.
        unjudged: why the thing, or the rest of it, could not be judged; None when all of it was.
        facts: more to show or to apply a policy to, by name: counts, metrics, the age of a
            database as the date of its newest record (``YYYY-MM-DD``).
    """

    findings: tuple[Finding, ...]
    judged: int
    unjudged: str | None = None
    facts: Mapping[str, str | int | float] = field(default_factory=dict)


class Gate(Protocol):
    """One tool behind the one interface.

    Attributes:
        name: as policies, settings and the command line call it.
        kind: what it judges.
        place: where its tool works.
    """

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def place(self) -> Place: ...

    def reads(self, path: str) -> bool:
        """Say whether it reads a file of the source tree; its result is bound to these.

        Args:
            path: relative to the project's root, with ``/`` between names.
        """

    def configures(self, path: str) -> bool:
        """Say whether a file that it reads is configuration, taken from the protected branch."""

    def tool(self, task: Task) -> Tool:
        """Return what would judge, without starting it where that can be avoided.

        Raises:
            GateError: the tool is not there.
        """

    def judge(self, task: Task) -> Report:
        """Judge.

        Raises:
            GateError: it could not be judged at all.
        """
