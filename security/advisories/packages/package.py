"""One installed or pinned package, as advisories know it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Package:
    """A package of one version.

    Attributes:
        ecosystem: ``PyPI``, or ``Debian`` with its release: ``Debian:12``.
        name: for Debian the name of the *source* package, which is what its advisories name.
        version: likewise the source package's.
        listed_as: what the text it was read from calls it.
        line: where it begins there, from 1.
    """

    ecosystem: str
    name: str
    version: str
    listed_as: str
    line: int


class SkipReason(Enum):
    """Why an entry of a list of packages gave no package."""

    NOT_PINNED = "not pinned to one version"
    NOT_FROM_INDEX = "comes from an address or a directory, not from an index"
    NOT_FOLLOWED = "refers to another file"
    NOT_UNDERSTOOD = "cannot be parsed"
    NOT_INSTALLED = "not installed: only its configuration is left"

    @property
    def hides_a_package(self) -> bool:
        """Say whether code may be installed that nobody has judged."""
        return self is not SkipReason.NOT_INSTALLED


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that gave no package: never dropped in silence.

    Attributes:
        text: the entry, at most 200 characters of it.
        detail: more about the reason; may be empty.
    """

    text: str
    line: int
    reason: SkipReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PackageList:
    """What a text lists."""

    packages: tuple[Package, ...]
    skipped: tuple[Skipped, ...]

    @property
    def unjudged(self) -> tuple[Skipped, ...]:
        """Return what may be installed and cannot be judged."""
        return tuple(one for one in self.skipped if one.reason.hides_a_package)


def shorten(text: str) -> str:
    """Put an entry on one printable line of at most 200 characters."""
    line = " ".join(text[:2000].split())
    printable = "".join(one if one.isprintable() else "�" for one in line)
    return printable if len(printable) <= 200 else printable[:199] + "…"
