"""The vector string of CVSS: metrics and their values, each at most once."""

from __future__ import annotations

from collections.abc import Mapping

Metrics = dict[str, str]


class VectorError(ValueError):
    """A vector string is not what its version of CVSS defines."""


def parse_metrics(
    text: str, *, required: Mapping[str, str], optional: Mapping[str, str | tuple[str, ...]]
) -> Metrics:
    """Parse the part of a vector string after ``CVSS:x.y/``.

    Metrics may come in any order: FIRST fixes an order for what is written, and no order changes a
    score.

    Args:
        required: the base metrics, with the letters that each may have.
        optional: the others. One that is not given has the value ``X``, not defined.

    Raises:
        VectorError: a metric is missing, unknown, given twice, or has a value that it cannot have.
    """
    metrics: Metrics = {}
    allowed: dict[str, str | tuple[str, ...]] = {**required, **optional}
    for part in text.split("/"):
        name, _, value = part.partition(":")
        if name not in allowed:
            raise VectorError(f"unknown metric: {part[:40]}")
        if name in metrics:
            raise VectorError(f"metric given twice: {name}")
        if value not in tuple(allowed[name]):
            raise VectorError(f"metric with an unknown value: {part[:40]}")
        metrics[name] = value
    missing = [name for name in required if name not in metrics]
    if missing:
        raise VectorError(f"metrics missing: {', '.join(missing)}")
    return {**dict.fromkeys(optional, "X"), **metrics}
