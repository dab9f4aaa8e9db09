"""The base score of CVSS v3.0 and v3.1 (FIRST, specification section 7.1 and appendix A).

The computation uses fractions, so that floating-point rounding never changes a score; v3.0 and v3.1
then have the same base scores.
"""

from __future__ import annotations

from fractions import Fraction

from security.advisories.cvss.cvss_vector import Metrics, parse_metrics

_BASE = {
    "AV": "NALP",
    "AC": "LH",
    "PR": "NLH",
    "UI": "NR",
    "S": "UC",
    "C": "HLN",
    "I": "HLN",
    "A": "HLN",
}
_OTHERS = {
    "E": "XHFPU",
    "RL": "XUWTO",
    "RC": "XCRU",
    "CR": "XHML",
    "IR": "XHML",
    "AR": "XHML",
    "MAV": "XNALP",
    "MAC": "XLH",
    "MPR": "XNLH",
    "MUI": "XNR",
    "MS": "XUC",
    "MC": "XNLH",
    "MI": "XNLH",
    "MA": "XNLH",
}
_WEIGHTS = {
    "AV": {"N": "0.85", "A": "0.62", "L": "0.55", "P": "0.2"},
    "AC": {"L": "0.77", "H": "0.44"},
    "UI": {"N": "0.85", "R": "0.62"},
    "C": {"H": "0.56", "L": "0.22", "N": "0"},
    "I": {"H": "0.56", "L": "0.22", "N": "0"},
    "A": {"H": "0.56", "L": "0.22", "N": "0"},
}
_PRIVILEGES = {
    "U": {"N": "0.85", "L": "0.62", "H": "0.27"},
    "C": {"N": "0.85", "L": "0.68", "H": "0.5"},
}


def base_score(text: str) -> float:
    """Return the base score of the metrics after ``CVSS:3.0/`` or ``CVSS:3.1/``.

    Temporal and environmental metrics are validated and then ignored: a base score does not use
    them.

    Raises:
        VectorError: the metrics are not valid in CVSS v3.
    """
    metrics = parse_metrics(text, required=_BASE, optional=_OTHERS)
    impact = _impact(metrics)
    if impact <= 0:
        return 0.0
    total = impact + _exploitability(metrics)
    if metrics["S"] == "C":
        total *= Fraction("1.08")
    return float(_round_up(min(total, Fraction(10))))


def _impact(metrics: Metrics) -> Fraction:
    remaining = Fraction(1)
    for name in ("C", "I", "A"):
        remaining *= 1 - Fraction(_WEIGHTS[name][metrics[name]])
    lost = 1 - remaining
    if metrics["S"] == "U":
        return Fraction("6.42") * lost
    return (
        Fraction("7.52") * (lost - Fraction("0.029"))
        - Fraction("3.25") * (lost - Fraction("0.02")) ** 15
    )


def _exploitability(metrics: Metrics) -> Fraction:
    product = Fraction("8.22")
    for name in ("AV", "AC", "UI"):
        product *= Fraction(_WEIGHTS[name][metrics[name]])
    return product * Fraction(_PRIVILEGES[metrics["S"]][metrics["PR"]])


def _round_up(value: Fraction) -> Fraction:
    """Round up to one decimal as in appendix A of v3.1: first to hundred-thousandths."""
    rounded = int(value * 100000 + Fraction(1, 2))
    return Fraction(-(-rounded // 10000), 10)
