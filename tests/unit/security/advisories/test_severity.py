"""Severities: CVSS scores against another implementation's, ratings, and what cannot be scored."""

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.advisories.cvss import cvss_v3, cvss_v4
from security.advisories.cvss.cvss_v4_macrovectors import MACROVECTOR_SCORES
from security.advisories.severity import (
    Labelled,
    Rating,
    Scored,
    Unscored,
    rate,
    read_label,
    score_vector,
    worst,
)

# FIRST's own examples, and a sample scored by @pandatix/js-cvss 0.4.4 (MIT), with which this
# implementation agrees on 20,000 random vectors but for exact halves, which floats can round down.
SCORES = [
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
    ("CVSS:3.0/AV:N/AC:H/PR:N/UI:R/S:U/C:N/I:N/A:N", 0.0),
    ("CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:C/C:H/I:H/A:N", 7.5),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U/RL:O/RC:U/CR:L", 9.8),
    ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9),
    ("CVSS:3.1/AV:N/AC:H/PR:L/UI:N/S:C/C:H/I:H/A:H", 8.5),
    ("CVSS:3.1/AV:A/AC:L/PR:N/UI:R/S:C/C:H/I:H/A:H", 8.8),
    ("CVSS:3.1/AV:A/AC:H/PR:N/UI:N/S:C/C:H/I:H/A:H", 8.3),
    ("CVSS:3.1/AV:A/AC:H/PR:H/UI:R/S:C/C:H/I:H/A:H", 7.3),
    ("CVSS:3.1/AV:L/AC:L/PR:H/UI:R/S:C/C:H/I:H/A:H", 7.7),
    ("CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:C/C:H/I:H/A:H", 7.2),
    ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0),
    ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0.0),
    ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3),
    ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/S:P/AU:Y/U:Red", 9.3),
    ("CVSS:3.0/AV:A/AC:H/PR:N/UI:N/S:U/C:L/I:H/A:N", 5.9),
    ("CVSS:3.0/AV:A/AC:H/PR:N/UI:R/S:C/C:N/I:L/A:N", 2.9),
    ("CVSS:3.0/AV:L/AC:H/PR:L/UI:N/S:U/C:N/I:H/A:H", 6.3),
    ("CVSS:3.0/AV:L/AC:L/PR:L/UI:N/S:C/C:N/I:L/A:H", 7.3),
    ("CVSS:3.0/AV:P/AC:H/PR:N/UI:N/S:U/C:N/I:L/A:N", 2.0),
    ("CVSS:3.0/AV:P/AC:L/PR:L/UI:R/S:U/C:L/I:L/A:L", 3.9),
    ("CVSS:3.1/AV:A/AC:L/PR:H/UI:R/S:U/C:H/I:H/A:H", 6.6),
    ("CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:L", 7.1),
    ("CVSS:3.1/AV:A/AC:L/PR:N/UI:R/S:U/C:N/I:N/A:L", 3.5),
    ("CVSS:3.1/AV:L/AC:H/PR:N/UI:N/S:U/C:N/I:H/A:N", 5.1),
    ("CVSS:3.1/AV:L/AC:L/PR:H/UI:R/S:U/C:H/I:L/A:H", 6.1),
    ("CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.3),
    ("CVSS:3.1/AV:P/AC:H/PR:L/UI:R/S:U/C:H/I:N/A:L", 4.5),
    ("CVSS:3.1/AV:P/AC:L/PR:H/UI:N/S:C/C:N/I:H/A:H", 6.8),
    ("CVSS:4.0/AV:A/AC:H/AT:N/PR:H/UI:P/VC:N/VI:N/VA:L/SC:H/SI:L/SA:N", 2.0),
    (
        "CVSS:4.0/AV:A/AC:H/AT:N/PR:L/UI:A/VC:L/VI:L/VA:L/SC:N/SI:N/SA:L/MVC:X/MVA:L/MSC:H/MSI:S",
        4.8,
    ),
    ("CVSS:4.0/AV:A/AC:H/AT:P/PR:H/UI:N/VC:L/VI:H/VA:L/SC:H/SI:N/SA:N/MUI:N/MVI:H/MSI:L", 7.0),
    (
        "CVSS:4.0/AV:A/AC:H/AT:P/PR:N/UI:A/VC:H/VI:N/VA:L/SC:H/SI:N/SA:H"
        "/AR:L/MAC:X/MAT:P/MPR:X/MVI:X",
        6.9,
    ),
    ("CVSS:4.0/AV:A/AC:H/AT:P/PR:N/UI:N/VC:H/VI:H/VA:L/SC:N/SI:N/SA:N", 7.6),
    ("CVSS:4.0/AV:A/AC:L/AT:P/PR:L/UI:N/VC:N/VI:N/VA:L/SC:N/SI:N/SA:L", 2.1),
    ("CVSS:4.0/AV:A/AC:L/AT:P/PR:N/UI:P/VC:L/VI:H/VA:N/SC:H/SI:H/SA:H/E:P/IR:M/MAC:H/MSA:S", 6.5),
    (
        "CVSS:4.0/AV:A/AC:L/AT:P/PR:N/UI:P/VC:L/VI:N/VA:L/SC:L/SI:N/SA:L"
        "/E:A/MPR:H/MVI:H/MVA:L/MSC:X",
        4.4,
    ),
    (
        "CVSS:4.0/AV:L/AC:H/AT:N/PR:H/UI:N/VC:N/VI:H/VA:H/SC:L/SI:H/SA:H"
        "/IR:L/MAT:X/MPR:H/MVA:H/MSA:L",
        6.9,
    ),
    ("CVSS:4.0/AV:L/AC:H/AT:P/PR:H/UI:P/VC:N/VI:L/VA:N/SC:H/SI:H/SA:N", 2.1),
    (
        "CVSS:4.0/AV:L/AC:L/AT:N/PR:H/UI:N/VC:N/VI:L/VA:N/SC:H/SI:N/SA:H"
        "/E:P/CR:X/IR:X/MAV:L/MAT:X/MVC:N/MVA:L",
        4.7,
    ),
    ("CVSS:4.0/AV:L/AC:L/AT:N/PR:L/UI:N/VC:N/VI:L/VA:H/SC:N/SI:N/SA:H", 8.2),
    ("CVSS:4.0/AV:L/AC:L/AT:N/PR:L/UI:P/VC:N/VI:L/VA:H/SC:H/SI:H/SA:L", 7.0),
    ("CVSS:4.0/AV:L/AC:L/AT:P/PR:H/UI:P/VC:H/VI:H/VA:N/SC:N/SI:N/SA:L", 5.3),
    ("CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:N/VC:N/VI:L/VA:L/SC:H/SI:N/SA:H", 6.3),
    (
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:L/UI:A/VC:H/VI:H/VA:N/SC:L/SI:H/SA:N"
        "/IR:L/MAV:P/MAC:L/MUI:N/MVC:H/MVI:H/MSI:L/MSA:L",
        6.7,
    ),
    (
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:L/UI:N/VC:N/VI:H/VA:N/SC:H/SI:H/SA:H"
        "/CR:L/MAV:P/MVC:L/MVI:H/MSC:L",
        6.9,
    ),
    ("CVSS:4.0/AV:P/AC:H/AT:N/PR:L/UI:P/VC:H/VI:N/VA:N/SC:N/SI:N/SA:H/MVC:N/MVI:X", 1.8),
    ("CVSS:4.0/AV:P/AC:H/AT:N/PR:N/UI:P/VC:H/VI:L/VA:L/SC:H/SI:N/SA:H", 5.9),
    ("CVSS:4.0/AV:P/AC:H/AT:N/PR:N/UI:P/VC:L/VI:H/VA:H/SC:L/SI:H/SA:H", 6.0),
    ("CVSS:4.0/AV:P/AC:H/AT:P/PR:H/UI:A/VC:H/VI:N/VA:H/SC:L/SI:N/SA:H", 5.8),
    (
        "CVSS:4.0/AV:P/AC:H/AT:P/PR:N/UI:N/VC:L/VI:H/VA:H/SC:N/SI:L/SA:L"
        "/E:X/IR:M/AR:M/MAT:N/MVA:L/MSC:H/MSA:L",
        4.5,
    ),
    ("CVSS:4.0/AV:P/AC:L/AT:N/PR:H/UI:P/VC:L/VI:L/VA:L/SC:N/SI:N/SA:L/MAT:N", 2.4),
    ("CVSS:4.0/AV:P/AC:L/AT:N/PR:L/UI:N/VC:L/VI:L/VA:N/SC:N/SI:L/SA:H/AR:M/MVC:H", 6.8),
    ("CVSS:4.0/AV:P/AC:L/AT:N/PR:N/UI:P/VC:L/VI:N/VA:L/SC:N/SI:H/SA:N", 4.1),
    ("CVSS:4.0/AV:P/AC:L/AT:P/PR:H/UI:N/VC:H/VI:N/VA:H/SC:H/SI:N/SA:H", 5.9),
    ("CVSS:4.0/AV:P/AC:L/AT:P/PR:L/UI:P/VC:H/VI:N/VA:L/SC:N/SI:H/SA:N/CR:X/IR:X/MSC:L/MSI:H", 5.7),
    ("CVSS:4.0/AV:P/AC:L/AT:P/PR:N/UI:P/VC:L/VI:N/VA:N/SC:L/SI:L/SA:N", 1.0),
]
BASE_4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


# The scores of the library cvss 3.6 for all base vectors of CVSS v3, and for each 101st of v4.0
# (docs/decisions/0013-cvss-scores.md).
V3_SCORES = "101a3cee9c6128a1d7d9e1d9e7bfc4e3bde1340fb32ac24ee936778bd2dcc1b4"
V4_SCORES = "5af83666fd10ba107e767a394c1db911396fb32d21a5e6d584534f6726bad0ff"


@pytest.mark.parametrize(
    ("version", "metrics", "step", "digest"),
    [
        ("3.0", cvss_v3._BASE, 1, V3_SCORES),
        ("3.1", cvss_v3._BASE, 1, V3_SCORES),
        ("4.0", cvss_v4._BASE, 101, V4_SCORES),
    ],
)
def test_base_vectors_have_the_scores_of_another_library(
    version: str, metrics: dict[str, str], step: int, digest: str
) -> None:
    scores = []
    for values in itertools.islice(itertools.product(*metrics.values()), 0, None, step):
        parts = (f"{name}:{value}" for name, value in zip(metrics, values, strict=True))
        scored = score_vector(f"CVSS:{version}/{'/'.join(parts)}")
        assert isinstance(scored, Scored)
        scores.append(str(scored.score))
    assert hashlib.sha256(" ".join(scores).encode()).hexdigest() == digest


@pytest.mark.parametrize(("vector", "score"), SCORES)
def test_score_is_that_of_the_specification(vector: str, score: float) -> None:
    assert score_vector(vector) == Scored(vector, score)


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        ("", "not a CVSS vector"),
        ("CVSS:3.1", "unknown metric"),
        ("CVSS:5.0/AV:N", "not a CVSS vector"),
        ("CVSS:2.0/AV:N/AC:L/Au:N/C:P/I:P/A:P", "not a CVSS vector"),
        ("AV:N/AC:L/Au:N/C:P/I:P/A:P", "not a CVSS vector"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H", "missing metrics: A"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/A:N", "duplicate metric: A"),
        ("CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "invalid value of a metric: AV:X"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:", "invalid value of a metric: A:"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:HH", "invalid value of a metric: A:HH"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/", "unknown metric"),
        (BASE_4.replace("SA:N", "SA:S"), "invalid value of a metric: SA:S"),
        (BASE_4 + "/U:Blue", "invalid value of a metric: U:Blue"),
        (BASE_4.replace("/UI:N", ""), "missing metrics: UI"),
    ],
)
def test_vector_that_cannot_be_scored_has_no_rating(vector: str, reason: str) -> None:
    severity = score_vector(vector)
    assert isinstance(severity, Unscored) and reason in severity.reason
    assert severity.rating is None and worst([severity]) is None


@given(st.text(alphabet="CVS:34.01/AVNLHPRUIES", max_size=80))
def test_any_text_is_scored_or_unscored(text: str) -> None:
    severity = score_vector(text)
    assert isinstance(severity, Unscored) or 0.0 <= severity.score <= 10.0


def test_table_of_macrovectors_is_complete_and_falls_with_severity() -> None:
    assert len(MACROVECTOR_SCORES) == 270
    for levels, score in MACROVECTOR_SCORES.items():
        for position in range(6):
            lower = list(levels)
            lower[position] += 1
            below = MACROVECTOR_SCORES.get(tuple(lower))  # type: ignore[call-overload]  # 6 ints
            assert below is None or below <= score


@pytest.mark.parametrize(
    ("score", "rating"),
    [
        (0.0, Rating.NONE),
        (0.1, Rating.LOW),
        (3.9, Rating.LOW),
        (4.0, Rating.MEDIUM),
        (6.9, Rating.MEDIUM),
        (7.0, Rating.HIGH),
        (8.9, Rating.HIGH),
        (9.0, Rating.CRITICAL),
        (10.0, Rating.CRITICAL),
    ],
)
def test_bands_are_those_of_the_rating_scale(score: float, rating: Rating) -> None:
    assert rate(score) is rating
    assert Scored("", score).rating is rating


def test_words_are_rated_and_unknown_words_are_not_guessed() -> None:
    assert read_label("Moderate") == Labelled("Moderate", Rating.MEDIUM)
    assert isinstance(read_label("spicy"), Unscored)


def test_whoever_says_the_worse_is_taken_at_it() -> None:
    low, high = Labelled("LOW", Rating.LOW), Scored("x", 7.5)
    assert worst([low, Unscored("?", "?"), high]) is Rating.HIGH
    assert worst([]) is None
