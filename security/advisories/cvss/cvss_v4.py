"""The score of CVSS v4.0 (FIRST, specification section 8), with threat and environment if given.

A vector belongs to one of 270 MacroVectors, each with a score set by experts. The score of the
vector is lower by a mean over the groups of metrics: the distance from the most severe vector of
its MacroVector, as a share of the way to the next lower MacroVector.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from security.advisories.cvss.cvss_v4_macrovectors import MACROVECTOR_SCORES
from security.advisories.cvss.cvss_vector import Metrics, parse_metrics

_BASE = {
    "AV": "NALP",
    "AC": "LH",
    "AT": "NP",
    "PR": "NLH",
    "UI": "NPA",
    "VC": "HLN",
    "VI": "HLN",
    "VA": "HLN",
    "SC": "HLN",
    "SI": "HLN",
    "SA": "HLN",
}
_OTHERS: dict[str, str | tuple[str, ...]] = {
    "E": "XAPU",
    "CR": "XHML",
    "IR": "XHML",
    "AR": "XHML",
    **{f"M{name}": f"X{values}" for name, values in _BASE.items()},
    "MSI": "XSHLN",
    "MSA": "XSHLN",
    "S": "XNP",
    "AU": "XNY",
    "R": "XAUI",
    "V": "XDC",
    "RE": "XLMH",
    "U": ("X", "Clear", "Green", "Amber", "Red"),
}
_WORST_WHEN_UNDEFINED = {"E": "A", "CR": "H", "IR": "H", "AR": "H"}
# The values of each metric, most severe first: the distance of two values is a number of steps.
_LEVELS = {
    "AV": "NALP",
    "PR": "NLH",
    "UI": "NPA",
    "AC": "LH",
    "AT": "NP",
    "VC": "HLN",
    "VI": "HLN",
    "VA": "HLN",
    "SC": "SHLN",
    "SI": "SHLN",
    "SA": "SHLN",
    "CR": "HML",
    "IR": "HML",
    "AR": "HML",
}


@dataclass(frozen=True, slots=True)
class _Level:
    """One level of a group: its most severe vectors, and its depth in steps (tables 24 to 30)."""

    highest: tuple[str, ...]
    depth: int


_EQ1 = (
    _Level(("AV:N/PR:N/UI:N",), 1),
    _Level(("AV:A/PR:N/UI:N", "AV:N/PR:L/UI:N", "AV:N/PR:N/UI:P"), 4),
    _Level(("AV:P/PR:N/UI:N", "AV:A/PR:L/UI:P"), 5),
)
_EQ2 = (_Level(("AC:L/AT:N",), 1), _Level(("AC:H/AT:N", "AC:L/AT:P"), 2))
_EQ3_EQ6 = {
    (0, 0): _Level(("VC:H/VI:H/VA:H/CR:H/IR:H/AR:H",), 7),
    (0, 1): _Level(("VC:H/VI:H/VA:L/CR:M/IR:M/AR:H", "VC:H/VI:H/VA:H/CR:M/IR:M/AR:M"), 6),
    (1, 0): _Level(("VC:L/VI:H/VA:H/CR:H/IR:H/AR:H", "VC:H/VI:L/VA:H/CR:H/IR:H/AR:H"), 8),
    (1, 1): _Level(
        (
            "VC:L/VI:H/VA:L/CR:H/IR:M/AR:H",
            "VC:L/VI:H/VA:H/CR:H/IR:M/AR:M",
            "VC:H/VI:L/VA:H/CR:M/IR:H/AR:M",
            "VC:H/VI:L/VA:L/CR:M/IR:H/AR:H",
            "VC:L/VI:L/VA:H/CR:H/IR:H/AR:M",
        ),
        8,
    ),
    (2, 1): _Level(("VC:L/VI:L/VA:L/CR:H/IR:H/AR:H",), 10),
}
_EQ4 = (
    _Level(("SC:H/SI:S/SA:S",), 6),
    _Level(("SC:H/SI:H/SA:H",), 5),
    _Level(("SC:L/SI:L/SA:L",), 4),
)
_GROUPS = (
    ("AV", "PR", "UI"),
    ("AC", "AT"),
    ("VC", "VI", "VA", "CR", "IR", "AR"),
    ("SC", "SI", "SA"),
)


def score(text: str) -> float:
    """Return the score of all given metrics after ``CVSS:4.0/``.

    1. Modified metrics of the environment replace base metrics; undefined threat and requirements
       count as the worst.
    2. Without any impact the score is 0.
    3. The MacroVector gives the highest score (`_macrovector`).
    4. For each group: the share of the way to the next lower MacroVector, if one exists.
    5. The mean of these is subtracted, and the result is rounded to one decimal, half up.

    Raises:
        VectorError: the metrics are not valid in CVSS v4.0.
    """
    metrics = _effective(parse_metrics(text, required=_BASE, optional=_OTHERS))  # 1
    if all(metrics[name] == "N" for name in ("VC", "VI", "VA", "SC", "SI", "SA")):  # 2
        return 0.0
    macro = _macrovector(metrics)  # 3
    drops = list(_drops(metrics, macro))  # 4
    mean = sum(drops, Fraction(0)) / len(drops) if drops else Fraction(0)
    tenths = max(MACROVECTOR_SCORES[macro] - mean, Fraction(0))  # 5
    return int(tenths + Fraction(1, 2)) / 10


def _effective(metrics: Metrics) -> Metrics:
    effective: Metrics = {}
    for name in (*_BASE, "E", "CR", "IR", "AR"):
        modified = metrics.get(f"M{name}", "X")
        value = metrics[name] if modified == "X" else modified
        effective[name] = _WORST_WHEN_UNDEFINED[name] if value == "X" else value
    return effective


def _macrovector(m: Metrics) -> tuple[int, int, int, int, int, int]:
    """Return EQ1 to EQ6 (tables 24 to 29)."""
    open_ways = [m["AV"] == "N", m["PR"] == "N", m["UI"] == "N"]
    eq1 = 0 if all(open_ways) else 1 if any(open_ways) and m["AV"] != "P" else 2
    eq2 = 0 if m["AC"] == "L" and m["AT"] == "N" else 1
    high = [m["VC"] == "H", m["VI"] == "H", m["VA"] == "H"]
    eq3 = 0 if high[0] and high[1] else 1 if any(high) else 2
    safety = "S" in (m["SI"], m["SA"])
    eq4 = 0 if safety else 1 if "H" in (m["SC"], m["SI"], m["SA"]) else 2
    eq5 = "APU".index(m["E"])
    wanted = [m["CR"] == "H", m["IR"] == "H", m["AR"] == "H"]
    eq6 = 0 if any(a and b for a, b in zip(high, wanted, strict=True)) else 1
    return eq1, eq2, eq3, eq4, eq5, eq6


def _drops(metrics: Metrics, macro: tuple[int, int, int, int, int, int]) -> list[Fraction]:
    """Return, in tenths, the reduction of the score by each group with a lower MacroVector."""
    eq1, eq2, eq3, eq4, eq5, eq6 = macro
    levels = (_EQ1[eq1], _EQ2[eq2], _EQ3_EQ6[eq3, eq6], _EQ4[eq4])
    distances = _distances(metrics, levels)
    lower = (
        [(eq1 + 1, eq2, eq3, eq4, eq5, eq6)],
        [(eq1, eq2 + 1, eq3, eq4, eq5, eq6)],
        _lower_eq3_eq6(macro),
        [(eq1, eq2, eq3, eq4 + 1, eq5, eq6)],
    )
    drops = []
    for distance, level, candidates in zip(distances, levels, lower, strict=True):
        scores = [MACROVECTOR_SCORES[one] for one in candidates if one in MACROVECTOR_SCORES]
        if scores:
            available = MACROVECTOR_SCORES[macro] - max(scores)
            drops.append(Fraction(available * distance, level.depth))
    if (eq1, eq2, eq3, eq4, eq5 + 1, eq6) in MACROVECTOR_SCORES:
        drops.append(Fraction(0))  # EQ5 has one metric: its distance is 0, but the mean counts it
    return drops


def _lower_eq3_eq6(
    macro: tuple[int, int, int, int, int, int],
) -> list[tuple[int, int, int, int, int, int]]:
    """Return the next lower MacroVectors in EQ3 and EQ6 together; 00 has two."""
    eq1, eq2, eq3, eq4, eq5, eq6 = macro
    steps = {
        (0, 0): [(0, 1), (1, 0)],
        (0, 1): [(1, 1)],
        (1, 0): [(1, 1)],
        (1, 1): [(2, 1)],
        (2, 1): [],
    }[eq3, eq6]
    return [(eq1, eq2, three, eq4, eq5, six) for three, six in steps]


def _distances(metrics: Metrics, levels: tuple[_Level, ...]) -> list[int]:
    """Return the steps in each group from the first highest vector that is at least as severe."""
    for combination in product(*(level.highest for level in levels)):
        highest = dict(part.split(":") for one in combination for part in one.split("/"))
        steps = {
            name: order.index(metrics[name]) - order.index(highest[name])
            for name, order in _LEVELS.items()
        }
        if min(steps.values()) >= 0:
            return [sum(steps[name] for name in group) for group in _GROUPS]
    raise AssertionError(f"no highest vector covers: {metrics}")
