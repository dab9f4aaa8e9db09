"""The parser of CVSS vector strings: metrics and their values, each at most once."""

from __future__ import annotations

from collections.abc import Mapping

Metrics = dict[str, str]


class VectorError(ValueError):
    """A vector string is not valid in its version of CVSS."""


def parse_metrics(
    text: str, *, required: Mapping[str, str], optional: Mapping[str, str | tuple[str, ...]]
) -> Metrics:
    """Parse the part of a vector string after ``CVSS:x.y/``.

    Any order of metrics is valid: FIRST defines an order for writers, but it does not affect the
    score.

    Args:
        required: the base metrics, with the values of each.
        optional: the other metrics. A missing one has the value ``X``, not defined.

    Raises:
        VectorError: a metric is missing, unknown or repeated, or has an invalid value.
    """
    metrics: Metrics = {}
    allowed: dict[str, str | tuple[str, ...]] = {**required, **optional}
    for part in text.split("/"):
        name, _, value = part.partition(":")
        if name not in allowed:
            raise VectorError(f"unknown metric: {part[:40]}")
        if name in metrics:
            raise VectorError(f"duplicate metric: {name}")
        if value not in tuple(allowed[name]):
            raise VectorError(f"invalid value of a metric: {part[:40]}")
        metrics[name] = value
    missing = [name for name in required if name not in metrics]
    if missing:
        raise VectorError(f"missing metrics: {', '.join(missing)}")
    return {**dict.fromkeys(optional, "X"), **metrics}
