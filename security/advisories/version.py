"""Versions of the two ecosystems: how they are told apart, and how they are ordered.

PyPI follows PEP 440, which orders no string that it does not define: such a version is equal to the
same text and to nothing else. Debian follows Debian Policy 5.6.12, under which every string that
dpkg accepts has an order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TypeAlias, assert_never, cast

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion
from packaging.version import Version as Pep440

# Longer ones are nobody's version, and cost a regular expression more than they are worth.
LONGEST_VERSION = 512
_DEBIAN_UPSTREAM = re.compile(r"[A-Za-z0-9.+~:-]+")
_DEBIAN_REVISION = re.compile(r"[A-Za-z0-9.+~]*")
_NUMBERS = re.compile(r"([^0-9]*)([0-9]*)")


class Ecosystem(Enum):
    """The ecosystems whose versions can be ordered here, by their names in OSV."""

    PYPI = "PyPI"
    DEBIAN = "Debian"

    def normalize(self, name: str) -> str:
        """Return the one spelling of a package's name: PEP 503 for PyPI; Debian's have only one."""
        match self:
            case Ecosystem.PYPI:
                return canonicalize_name(name)
            case Ecosystem.DEBIAN:
                return name
            case _:
                assert_never(self)


def split_ecosystem(text: str) -> tuple[Ecosystem | None, str]:
    """Split ``Debian:12`` into the ecosystem, None if it is not known here, and its release."""
    name, _, release = text.partition(":")
    known = {one.value: one for one in Ecosystem}
    return known.get(name), release


# Part by part: epoch, then upstream version and revision, each as non-digits and numbers in turn.
DebianOrder: TypeAlias = tuple[tuple[int, str], "tuple[_Part, ...]", "tuple[_Part, ...]"]
_Part: TypeAlias = tuple[tuple[int, ...], tuple[int, str]]
_EMPTY_PAIR: _Part = ((0,), (0, ""))


@dataclass(frozen=True, slots=True)
class PyPIVersion:
    """A version that PEP 440 defines.

    Attributes:
        order: what orders it.
        public: the same without its local label, where it has one: ``2.1.0`` of ``2.1.0+cu118``.
    """

    text: str
    order: Pep440
    public: Pep440 | None


@dataclass(frozen=True, slots=True)
class DebianVersion:
    """A version that dpkg accepts."""

    text: str
    order: DebianOrder


@dataclass(frozen=True, slots=True)
class UnorderedVersion:
    """A version that its ecosystem's rules do not order; equal to the same text only."""

    text: str


Version: TypeAlias = PyPIVersion | DebianVersion | UnorderedVersion


def parse_version(ecosystem: Ecosystem, text: str) -> Version:
    """Parse a version by the rules of its ecosystem; one that they do not know is a value too."""
    if ecosystem is Ecosystem.PYPI:
        return _parse_pypi(text)
    if ecosystem is Ecosystem.DEBIAN:
        return _parse_debian(text)
    assert_never(ecosystem)


# Cached, because the records of a package list the same versions again and again.
@lru_cache(maxsize=1 << 17)
def _parse_pypi(text: str) -> PyPIVersion | UnorderedVersion:
    text = text.strip()
    if len(text) > LONGEST_VERSION:
        return UnorderedVersion(text)
    try:
        order = Pep440(text)
    except (InvalidVersion, ValueError):  # ValueError: more digits than int() converts
        return UnorderedVersion(text)
    return PyPIVersion(text, order, Pep440(order.public) if order.local else None)


@lru_cache(maxsize=1 << 17)
def _parse_debian(text: str) -> DebianVersion | UnorderedVersion:
    """Parse ``[epoch:]upstream[-revision]``, Debian Policy 5.6.12.

    1. The epoch ends at the first colon and is a number; without a colon it is 0.
    2. The revision starts after the last hyphen; without one it equals ``0``.
    3. Only the characters that the policy allows; what starts with no digit is let in, as dpkg
       lets it into comparisons.
    """
    text = text.strip()
    if len(text) > LONGEST_VERSION:
        return UnorderedVersion(text)
    epoch, colon, rest = text.partition(":")  # 1
    if not colon:
        epoch, rest = "0", text
    if not (epoch.isascii() and epoch.isdigit()):
        return UnorderedVersion(text)
    upstream, hyphen, revision = rest.rpartition("-")  # 2
    if not hyphen:
        upstream, revision = rest, ""
    if hyphen and not revision:
        return UnorderedVersion(text)
    if not _DEBIAN_UPSTREAM.fullmatch(upstream) or not _DEBIAN_REVISION.fullmatch(revision):  # 3
        return UnorderedVersion(text)
    return DebianVersion(text, (_number(epoch), _debian_parts(upstream), _debian_parts(revision)))


def _debian_parts(text: str) -> tuple[_Part, ...]:
    """Turn one part of a version into what compares as the policy says.

    4. The part is read as non-digits and digits in turn, each of which may be empty.
    5. Digits compare as numbers. They are kept as text, because a number may have hundreds of them.
    6. Non-digits compare by `_weight`, with an end between the tilde and everything else.
    7. A part that ends goes on as empty pairs for ever: ``1.0`` equals ``1.0-0`` and is above
       ``1.0~``. Two of them are enough: only the first pair of a part can equal an empty one.
    """
    pairs = [
        (tuple(_weight(one) for one in letters) + (0,), _number(digits))
        for letters, digits in _NUMBERS.findall(text)
    ]
    while pairs and pairs[-1] == _EMPTY_PAIR:  # 7
        pairs.pop()
    return (*pairs, _EMPTY_PAIR, _EMPTY_PAIR)


def _number(digits: str) -> tuple[int, str]:
    significant = digits.lstrip("0")
    return len(significant), significant


def _weight(character: str) -> int:
    """Weigh a non-digit: tilde before the end (0), that before letters, those before the rest."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def is_before(one: Version, other: Version) -> bool | None:
    """Say whether one version is lower than another; None if the two have no order."""
    if isinstance(one, PyPIVersion) and isinstance(other, PyPIVersion):
        return one.order < other.order
    if isinstance(one, DebianVersion) and isinstance(other, DebianVersion):
        return one.order < other.order
    return None


def is_same(one: Version, other: Version) -> bool:
    """Say whether two versions are equal by their rules, or else by their text."""
    if type(one) is type(other) and not isinstance(one, UnorderedVersion):
        return one.order == cast("PyPIVersion | DebianVersion", other).order
    return one.text == other.text
