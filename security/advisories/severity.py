"""How severe an advisory says it is: a score computed from its vector, a rating, or neither.

A vector that cannot be scored stays visible as `Unscored` with the reason. It carries no rating, so
a policy treats it as a missing severity: never as a low one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from security.advisories.cvss import cvss_v3, cvss_v4
from security.advisories.cvss.cvss_vector import VectorError


class Rating(IntEnum):
    """The qualitative severity rating scale of CVSS (v3.1 section 5, v4.0 section 6)."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True)
class Scored:
    """A vector and the score that its specification gives it, from 0.0 to 10.0."""

    vector: str
    score: float

    @property
    def rating(self) -> Rating:
        """Return the name of the score's band."""
        return rate(self.score)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A severity that the publisher states in a word, such as ``MODERATE``."""

    label: str
    rating: Rating


@dataclass(frozen=True, slots=True)
class Unscored:
    """A severity that could not be turned into a rating."""

    text: str
    reason: str

    @property
    def rating(self) -> None:
        """Return that there is none."""
        return None


Severity: TypeAlias = Scored | Labelled | Unscored

_LABELS = {
    "none": Rating.NONE,
    "unimportant": Rating.NONE,
    "negligible": Rating.NONE,
    "low": Rating.LOW,
    "medium": Rating.MEDIUM,
    "moderate": Rating.MEDIUM,
    "important": Rating.HIGH,
    "high": Rating.HIGH,
    "critical": Rating.CRITICAL,
}


def rate(score: float) -> Rating:
    """Return the band of a CVSS score."""
    if score >= 9.0:
        return Rating.CRITICAL
    if score >= 7.0:
        return Rating.HIGH
    if score >= 4.0:
        return Rating.MEDIUM
    return Rating.LOW if score > 0.0 else Rating.NONE


def score_vector(vector: str) -> Scored | Unscored:
    """Score a CVSS vector of version 3.0, 3.1 or 4.0 by what the vector itself says it is."""
    version, _, metrics = vector.partition("/")
    try:
        if version in ("CVSS:3.0", "CVSS:3.1"):
            return Scored(vector, cvss_v3.base_score(metrics))
        if version == "CVSS:4.0":
            return Scored(vector, cvss_v4.score(metrics))
    except VectorError as error:
        return Unscored(vector, str(error))
    return Unscored(vector, "not a vector of CVSS 3.0, 3.1 or 4.0")


def read_label(label: str) -> Labelled | Unscored:
    """Turn a publisher's word into a rating."""
    rating = _LABELS.get(label.strip().lower())
    if rating is None:
        return Unscored(label, "not a known word for a severity")
    return Labelled(label, rating)


def worst(severities: Iterable[Severity]) -> Rating | None:
    """Return the highest rating; None where nothing has one.

    Scores and words are not weighed against each other: whoever says the worse is taken at it.
    """
    return max((one.rating for one in severities if one.rating is not None), default=None)
