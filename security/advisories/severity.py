"""The severity of an advisory: a score computed from its vector, a rating, or neither.

A vector without a valid score becomes `Unscored` with the reason. It has no rating, so a policy
treats it as a missing severity, never as a low one.
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
    """A vector and its score by the CVSS specification, from 0.0 to 10.0."""

    vector: str
    score: float

    @property
    def rating(self) -> Rating:
        """The rating of the score."""
        return rate(self.score)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A severity in a word of the publisher, such as ``MODERATE``."""

    label: str
    rating: Rating


@dataclass(frozen=True, slots=True)
class Unscored:
    """A severity without a rating."""

    text: str
    reason: str

    @property
    def rating(self) -> None:
        """None."""
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
    """Return the rating of a CVSS score."""
    if score >= 9.0:
        return Rating.CRITICAL
    if score >= 7.0:
        return Rating.HIGH
    if score >= 4.0:
        return Rating.MEDIUM
    return Rating.LOW if score > 0.0 else Rating.NONE


def score_vector(vector: str) -> Scored | Unscored:
    """Score a CVSS vector by the version in its prefix: 3.0, 3.1 or 4.0."""
    version, _, metrics = vector.partition("/")
    try:
        if version in ("CVSS:3.0", "CVSS:3.1"):
            return Scored(vector, cvss_v3.base_score(metrics))
        if version == "CVSS:4.0":
            return Scored(vector, cvss_v4.score(metrics))
    except VectorError as error:
        return Unscored(vector, str(error))
    return Unscored(vector, "not a CVSS vector of version 3.0, 3.1 or 4.0")


def read_label(label: str) -> Labelled | Unscored:
    """Convert a publisher's word to a rating."""
    rating = _LABELS.get(label.strip().lower())
    if rating is None:
        return Unscored(label, "unknown severity word")
    return Labelled(label, rating)


def worst(severities: Iterable[Severity]) -> Rating | None:
    """Return the highest rating of scores and words alike; None without any rating."""
    return max((one.rating for one in severities if one.rating is not None), default=None)
