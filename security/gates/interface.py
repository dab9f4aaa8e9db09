"""The interface of gates: a task in, a report out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

from security.errors import SecurityError
from security.finding import Finding
from security.sandbox.file_view import FileView

#: The fact that belongs into the reason of every decision, such as what no gate runs.
NOTE = "note"
#: The fact of gates of models: the number of files that are models.
MODELS = "models"

Json: TypeAlias = "str | int | float | bool | None | list[Json] | dict[str, Json]"


class GateError(SecurityError):
    """A gate could not judge: its tool is missing, crashed, hung, or wrote an unreadable report."""

    kind: ClassVar[str] = "gate"


class Kind(Enum):
    """The kind of a gate's subjects.

    SOURCE: the source tree: files that Git tracks or does not ignore.
    DATA: an out that is a dataset or a directory.
    MODEL: an out that is a model.
    """

    SOURCE = "source"
    DATA = "data"
    MODEL = "model"


class Place(Enum):
    """The directory of a gate's tool.

    COPY: a private directory with only the files that the gate reads. The tool sees the digested
        bytes and no other file; configuration comes from the protected branch.
    CHECKOUT: the project itself, for tools that need its data and its environment.
    """

    COPY = "copy"
    CHECKOUT = "checkout"


@dataclass(frozen=True, slots=True)
class Tool:
    """The tool of a gate; a result of a different tool does not count.

    Attributes:
        version: installed version; all versions if there are several programs.
        configuration: everything that affects the report and is not in the files that the gate
            reads: options, thresholds, digests of databases and environments.
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
    """One subject to judge, with the environment of the tool.

    Attributes:
        subject: ``source``, or the location of an out relative to the project's root.
        directory: the tool's directory (``Place``), absolute. Paths in findings are relative to it.
        files: sorted paths of the source files that the gate reads, relative to the directory.
        out: absolute path of the out; None for the source tree.
        scratch: absolute path of a private directory that is removed afterwards.
        environment: all variables of the tool's process.
        python: absolute path of the project's interpreter; None without one.
        view: what a gate's processes see of the files; None does not confine them.
        timeout: seconds.
    """

    subject: str
    directory: Path
    files: tuple[str, ...]
    scratch: Path
    environment: Mapping[str, str]
    out: Path | None = None
    python: Path | None = None
    view: FileView | None = None
    timeout: float = 600.0


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a gate on one subject.

    Attributes:
        findings: all findings, including silenced ones.
        judged: number of files, packages, tests or rows that were checked; 0 is never a pass.
        unjudged: why the subject or a part of it could not be judged; None if all was judged.
        facts: values for reports and policies, by name: counts, metrics, the date of a database's
            newest record (``YYYY-MM-DD``).
    """

    findings: tuple[Finding, ...]
    judged: int
    unjudged: str | None = None
    facts: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def has_models(self) -> bool:
        """Whether a gate of models has judged a model; a report that does not say so has."""
        return self.judged > 0 and self.facts.get(MODELS, 1) != 0


@runtime_checkable
class Selective(Protocol):
    """A gate that applies only to some source trees, for reasons of its own."""

    def applies(self, files: Collection[str]) -> bool:
        """Return whether it has anything to judge in a source tree."""


class Gate(Protocol):
    """One tool behind the common interface.

    Attributes:
        name: its name in policies, settings and on the command line.
        kind: the kind of its subjects.
        place: the directory of its tool.
    """

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def place(self) -> Place: ...

    def reads(self, path: str) -> bool:
        """Return whether it reads a file of the source tree; results are bound to these files.

        Args:
            path: relative to the project's root, with ``/`` between names.
        """

    def configures(self, path: str) -> bool:
        """Return whether a file is configuration, which comes from the protected branch."""

    def tool(self, task: Task) -> Tool:
        """Return the tool, if possible without starting it.

        Raises:
            GateError: the tool is missing.
        """

    def judge(self, task: Task) -> Report:
        """Judge the subject.

        Raises:
            GateError: the gate could not judge.
        """
