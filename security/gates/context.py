"""The context of a gate: the project's settings, files and advisories for building it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from security.gates.python.python_files import PythonFiles
from security.gates.settings import Performance

if TYPE_CHECKING:
    from security.advisories.database import AdvisoryDatabase

Settings = TypeVar("Settings")


@dataclass(frozen=True, slots=True)
class Hashes:
    """The hashes of an out in DVC's notation: md5, with the suffix ``.dir`` for a directory.

    Attributes:
        recorded: hash in the stage or lock file; None without one.
        observed: hash of the current bytes; None if it was not computed.
    """

    recorded: str | None = None
    observed: str | None = None


class AdvisoryProvider(Protocol):
    """The advisories of one command."""

    def open(self) -> AdvisoryDatabase:
        """Return the open database; its owner closes it."""

    def identify(self) -> str:
        """Return the sha256 of the database's records, without reading all of them."""


class ProjectFacts(Protocol):
    """The facts about a project for building gates.

    A path is relative to the project's root. A file counts if it exists in the checkout or on the
    protected branch: deleting tests on a branch does not turn their gate off.
    """

    @property
    def root(self) -> Path:
        """The project's root."""

    @property
    def performance(self) -> Performance:
        """The settings of the performance test."""

    @property
    def named_models(self) -> frozenset[str]:
        """Locations of the outs that the project declares as models."""

    @property
    def hashes(self) -> Mapping[str, Hashes]:
        """The hashes of outs, by location."""

    @property
    def advisories(self) -> AdvisoryProvider:
        """The user's advisories."""

    @property
    def python_files(self) -> PythonFiles:
        """The Python files of the checkout, also those without the suffix."""

    @property
    def test_directories(self) -> tuple[str, ...]:
        """The directories of tests that gates run by their settings."""

    @property
    def protected_paths(self) -> Collection[str]:
        """The paths of the protected branch's files."""

    @property
    def compiled_files(self) -> frozenset[str]:
        """The compiled Python files that Git tracks."""

    @property
    def now(self) -> datetime:
        """The time of the command."""

    @property
    def shell(self) -> tuple[str, ...]:
        """The shell that starts a stage's command, with its options."""

    @property
    def machine(self) -> str:
        """The machine, for results that depend on it."""

    def has_file(self, path: str) -> bool:
        """Return whether a file exists."""

    def has_directory(self, path: str) -> bool:
        """Return whether a directory exists."""

    def deployed_metrics(self, path: str) -> Mapping[str, float] | None:
        """Return the numbers of a JSON file on the protected branch, by dotted name.

        None without a protected branch or without the file: a first model is compared with nothing.
        """


@dataclass(frozen=True, slots=True)
class GateContext:
    """The context of one gate.

    Attributes:
        name: the gate's name.
        table: the gate's settings; None if it has none.
        online: address of a vulnerability service, if the policy sets one.
        project: the project's facts.
    """

    name: str
    table: object
    online: str | None
    project: ProjectFacts

    def settings(self, kind: type[Settings]) -> Settings:
        """Return the gate's settings, of the type that its description names."""
        if not isinstance(self.table, kind):
            raise TypeError(f"settings of {self.name}: not {kind.__name__}: {self.table!r}")
        return self.table
