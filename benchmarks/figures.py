"""Figures: medians, ratios, and whether a target is met.

What was not measured is never met.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from benchmarks.measurement import Sample


class Unit(Enum):
    """What a figure counts."""

    RATIO = "×"
    SECONDS = "s"
    MILLISECONDS = "ms"


class Verdict(Enum):
    """How a figure stands to its target."""

    MET = "yes"
    MISSED = "no"
    NOT_MEASURED = "not measured"
    NO_TARGET = "no target"


@dataclass(frozen=True)
class Series:
    """All runs of one contender in one case.

    Attributes:
        contender: who ran: ``ml-assets``, ``dvc`` or ``bare``.
        command: what was typed, without this machine's paths.
        stages: how many the repository has.
        slow: it is run once, or as often as asked for, because a run takes minutes.
    """

    contender: str
    command: str
    stages: int
    samples: tuple[Sample, ...]
    slow: bool = False

    @property
    def median_seconds(self) -> float | None:
        """The median wall time; None without a run."""
        return median(sample.seconds for sample in self.samples)

    @property
    def median_cpu_seconds(self) -> float | None:
        """The median CPU time; None without a run."""
        return median(sample.cpu_seconds for sample in self.samples)


@dataclass(frozen=True)
class Figure:
    """One number that a case is about.

    Attributes:
        value: None when it could not be measured.
        target: the most it may be; None when it is there for information.
    """

    name: str
    unit: Unit
    value: float | None
    target: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the target is met."""
        if self.target is None:
            return Verdict.NO_TARGET
        if self.value is None or not math.isfinite(self.value):
            return Verdict.NOT_MEASURED
        return Verdict.MET if self.value <= self.target else Verdict.MISSED


@dataclass(frozen=True)
class Limit:
    """A target: the most that a figure may be."""

    name: str
    unit: Unit
    at_most: float

    def __str__(self) -> str:
        """Return it as a table shows it."""
        return f"≤ {self.at_most:g} {self.unit.value} {self.name}"

    def figure(self, value: float | None) -> Figure:
        """Return the figure that has this target; None where it could not be measured."""
        return Figure(self.name, self.unit, value, self.at_most)


def judge(figures: Iterable[Figure]) -> Verdict:
    """Judge a case: met when it has targets and each of them is met."""
    verdicts = {figure.verdict for figure in figures} - {Verdict.NO_TARGET}
    if Verdict.MISSED in verdicts:
        return Verdict.MISSED
    return Verdict.MET if verdicts == {Verdict.MET} else Verdict.NOT_MEASURED


def median(values: Iterable[float]) -> float | None:
    """Return the median; None of nothing."""
    found = list(values)
    return statistics.median(found) if found else None


def divide(dividend: float | None, divisor: float | None) -> float | None:
    """Divide; None when either is missing or the divisor is no amount of time."""
    if dividend is None or divisor is None or divisor <= 0:
        return None
    return dividend / divisor


def ratio(ours: Series, peer: Series | None) -> float | None:
    """Return our median wall time as a multiple of the peer's; None when either is missing."""
    return divide(ours.median_seconds, peer.median_seconds if peer is not None else None)


def overhead_ms(run: Series, bare: Series) -> float | None:
    """Return the milliseconds per stage that a run took on top of the bare commands.

    Raises:
        ValueError: the two did not run the same number of stages.
    """
    if run.stages != bare.stages:
        raise ValueError(f"different numbers of stages: {run.stages} and {bare.stages}")
    if run.median_seconds is None or bare.median_seconds is None:
        return None
    return 1000 * (run.median_seconds - bare.median_seconds) / run.stages


def stage_cost_ms(run: Series, startup: Series) -> float | None:
    """Return the milliseconds per stage of a run, without what a run of one stage takes."""
    if run.median_seconds is None or startup.median_seconds is None:
        return None
    return 1000 * (run.median_seconds - startup.median_seconds) / run.stages
