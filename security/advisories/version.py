"""Versions of the two supported ecosystems: parsing, equality and order.

PyPI follows PEP 440, which does not order strings outside its grammar: such a version only equals
the same text. Debian follows Debian Policy 5.6.12, which orders every string that dpkg accepts.
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

# No real version is longer, and regular expressions need too much time for longer ones.
LONGEST_VERSION = 512
_DEBIAN_UPSTREAM = re.compile(r"[A-Za-z0-9.+~:-]+")
_DEBIAN_REVISION = re.compile(r"[A-Za-z0-9.+~]*")
_NUMBERS = re.compile(r"([^0-9]*)([0-9]*)")


class Ecosystem(Enum):
    """The supported ecosystems, by their names in OSV."""

    PYPI = "PyPI"
    DEBIAN = "Debian"

    def normalize(self, name: str) -> str:
        """Return the normalized name of a package: PEP 503 for PyPI, unchanged for Debian."""
        match self:
            case Ecosystem.PYPI:
                return canonicalize_name(name)
            case Ecosystem.DEBIAN:
                return name
            case _:
                assert_never(self)


def split_ecosystem(text: str) -> tuple[Ecosystem | None, str]:
    """Split ``Debian:12`` into the ecosystem, None if it is unsupported, and its release."""
    name, _, release = text.partition(":")
    known = {one.value: one for one in Ecosystem}
    return known.get(name), release


# Epoch, upstream version and revision, the last two as alternating non-digits and numbers.
DebianOrder: TypeAlias = tuple[tuple[int, str], "tuple[_Part, ...]", "tuple[_Part, ...]"]
_Part: TypeAlias = tuple[tuple[int, ...], tuple[int, str]]
_EMPTY_PAIR: _Part = ((0,), (0, ""))


@dataclass(frozen=True, slots=True)
class PyPIVersion:
    """A version that PEP 440 defines.

    Attributes:
        order: the sort key.
        public: the version without its local label, ``2.1.0`` of ``2.1.0+cu118``; None without one.
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
    """A version that its ecosystem does not order; it only equals the same text."""

    text: str


Version: TypeAlias = PyPIVersion | DebianVersion | UnorderedVersion


def parse_version(ecosystem: Ecosystem, text: str) -> Version:
    """Parse a version by the rules of its ecosystem; return an invalid one as unordered."""
    if ecosystem is Ecosystem.PYPI:
        return _parse_pypi(text)
    if ecosystem is Ecosystem.DEBIAN:
        return _parse_debian(text)
    assert_never(ecosystem)


# Cached, because the records of a package repeat the same versions.
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
    3. Only characters that the policy allows are valid. An upstream version without a leading digit
       is accepted, because dpkg accepts it in comparisons.
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
    """Convert one part of a version to a sort key by the policy.

    4. The part is split into alternating non-digits and digits, either of them possibly empty.
    5. Digits compare as numbers. They stay text, because a number can have hundreds of digits.
    6. Non-digits compare by `_weight`; the end sorts between the tilde and all other characters.
    7. A part continues with empty pairs after its end: ``1.0`` equals ``1.0-0`` and is above
       ``1.0~``. Two pairs are enough: only the first pair of a part can equal an empty one.
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
    """Return the weight of a non-digit: tilde, then the end (0), then letters, then the rest."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def is_before(one: Version, other: Version) -> bool | None:
    """Say whether one version is lower than another; None if they cannot be ordered."""
    if isinstance(one, PyPIVersion) and isinstance(other, PyPIVersion):
        return one.order < other.order
    if isinstance(one, DebianVersion) and isinstance(other, DebianVersion):
        return one.order < other.order
    return None


def is_same(one: Version, other: Version) -> bool:
    """Say whether two versions are equal: by the rules of their ecosystem, or else by text."""
    if type(one) is type(other) and not isinstance(one, UnorderedVersion):
        return one.order == cast("PyPIVersion | DebianVersion", other).order
    return one.text == other.text
