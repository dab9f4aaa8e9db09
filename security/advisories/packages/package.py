"""An installed or pinned package, and a list of packages with its skipped entries."""

from __future__ import annotations

from collections.abc import Iterable
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
    """Why an entry of a list of packages yields no package.

    RANGE: a wish in a file that does not lock versions.
    OTHER_INSTALLER: of a format or language without a parser here, or of another Python.
    """

    NOT_PINNED = "not pinned to one version"
    NOT_FROM_INDEX = "comes from a URL or a directory, not from an index"
    NOT_FOLLOWED = "refers to another file"
    NOT_UNDERSTOOD = "cannot be parsed"
    NOT_INSTALLED = "not installed"
    RANGE = "a range of versions"
    OTHER_INSTALLER = "of another installer"

    @property
    def hides_a_package(self) -> bool:
        """Whether the entry can install code that is not checked, where pins are expected."""
        return self not in (SkipReason.NOT_INSTALLED, *_WISHES)


_WISHES = (SkipReason.RANGE, SkipReason.OTHER_INSTALLER)


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

    @classmethod
    def file(cls, detail: str, reason: SkipReason = SkipReason.NOT_UNDERSTOOD) -> Skipped:
        """Return the entry for a whole file, with why it yields no packages."""
        return cls("the file", 1, reason, shorten(detail))


@dataclass(frozen=True, slots=True)
class PackageList:
    """The packages and the skipped entries of a text."""

    packages: tuple[Package, ...]
    skipped: tuple[Skipped, ...]

    @classmethod
    def collect(cls, found: Iterable[Package | Skipped | None]) -> PackageList:
        """Return the list of some entries, in their order."""
        kept = list(found)
        return cls(
            tuple(one for one in kept if isinstance(one, Package)),
            tuple(one for one in kept if isinstance(one, Skipped)),
        )

    @property
    def unjudged(self) -> tuple[Skipped, ...]:
        """The skipped entries that can install unchecked code."""
        return tuple(one for one in self.skipped if one.reason.hides_a_package)

    @property
    def wishes(self) -> tuple[Skipped, ...]:
        """The skipped entries that name no version; what is installed decides."""
        return tuple(one for one in self.skipped if one.reason in _WISHES)


def shorten(text: str) -> str:
    """Return an entry as one printable line of at most 200 characters."""
    line = " ".join(text[:2000].split())
    printable = "".join(one if one.isprintable() else "�" for one in line)
    return printable if len(printable) <= 200 else printable[:199] + "…"
