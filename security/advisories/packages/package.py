"""An installed or pinned package, and a list of packages with its skipped entries."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Package:
    """One version of a package.

    Attributes:
        ecosystem: ``PyPI``, or ``Debian`` with its release: ``Debian:12``.
        name: for Debian the name of the *source* package, as in its advisories.
        version: for Debian the version of the source package.
        listed_as: name and version in the parsed text.
        line: first line in the parsed text, from 1.
    """

    ecosystem: str
    name: str
    version: str
    listed_as: str
    line: int


class SkipReason(Enum):
    """Why an entry of a list of packages yields no package."""

    NOT_PINNED = "not pinned to one version"
    NOT_FROM_INDEX = "comes from a URL or a directory, not from an index"
    NOT_FOLLOWED = "refers to another file"
    NOT_UNDERSTOOD = "cannot be parsed"
    NOT_INSTALLED = "not installed"

    @property
    def hides_a_package(self) -> bool:
        """Whether the entry can install code that is not checked."""
        return self is not SkipReason.NOT_INSTALLED


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that yields no package.

    Attributes:
        text: the entry, at most 200 characters of it.
        detail: more about the reason; can be empty.
    """

    text: str
    line: int
    reason: SkipReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PackageList:
    """The packages and the skipped entries of a text."""

    packages: tuple[Package, ...]
    skipped: tuple[Skipped, ...]

    @property
    def unjudged(self) -> tuple[Skipped, ...]:
        """The skipped entries that can install unchecked code."""
        return tuple(one for one in self.skipped if one.reason.hides_a_package)


def shorten(text: str) -> str:
    """Return an entry as one printable line of at most 200 characters."""
    line = " ".join(text[:2000].split())
    printable = "".join(one if one.isprintable() else "�" for one in line)
    return printable if len(printable) <= 200 else printable[:199] + "…"
