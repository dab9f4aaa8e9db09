"""Figures: medians, ratios, and whether a target is met.

An unmeasured figure never meets its target.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from benchmarks.measurement import Sample


class Unit(Enum):
    """The unit of a figure."""

    RATIO = "×"
    SECONDS = "s"
    MILLISECONDS = "ms"


class Verdict(Enum):
    """The verdict on a figure and its target."""

    MET = "yes"
    MISSED = "no"
    NOT_MEASURED = "not measured"
    NO_TARGET = "no target"


@dataclass(frozen=True)
class Series:
    """All runs of one contender in one case.

    Attributes:
        contender: ``ml-assets``, ``dvc`` or ``bare``.
        command: the command line, without this machine's paths.
        stages: number of stages in the repository.
        slow: a run takes minutes, so the option ``--slow-runs`` sets the number of runs.
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
    """One number of a case.

    Attributes:
        value: None if it could not be measured.
        target: the largest value that meets the target; None for information only.
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
    """A target: the largest allowed value of a figure."""

    name: str
    unit: Unit
    at_most: float

    def __str__(self) -> str:
        """Return the text for the table."""
        return f"≤ {self.at_most:g} {self.unit.value} {self.name}"

    def figure(self, value: float | None) -> Figure:
        """Return the figure with this target; None if it could not be measured."""
        return Figure(self.name, self.unit, value, self.at_most)


def judge(figures: Iterable[Figure]) -> Verdict:
    """Return the verdict on a case: met if it has targets and meets all of them."""
    verdicts = {figure.verdict for figure in figures} - {Verdict.NO_TARGET}
    if Verdict.MISSED in verdicts:
        return Verdict.MISSED
    return Verdict.MET if verdicts == {Verdict.MET} else Verdict.NOT_MEASURED


def median(values: Iterable[float]) -> float | None:
    """Return the median; None without values."""
    found = list(values)
    return statistics.median(found) if found else None


def divide(dividend: float | None, divisor: float | None) -> float | None:
    """Divide; None if a value is missing or the divisor is not positive."""
    if dividend is None or divisor is None or divisor <= 0:
        return None
    return dividend / divisor


def ratio(ours: Series, peer: Series | None) -> float | None:
    """Return our median wall time as a multiple of the peer's; None if either is missing."""
    return divide(ours.median_seconds, peer.median_seconds if peer is not None else None)


def overhead_ms(run: Series, bare: Series) -> float | None:
    """Return the milliseconds per stage of a run on top of the bare commands.

    Raises:
        ValueError: the two did not run the same number of stages.
    """
    if run.stages != bare.stages:
        raise ValueError(f"different numbers of stages: {run.stages} and {bare.stages}")
    if run.median_seconds is None or bare.median_seconds is None:
        return None
    return 1000 * (run.median_seconds - bare.median_seconds) / run.stages


def stage_cost_ms(run: Series, startup: Series) -> float | None:
    """Return the milliseconds per stage of a run, minus the time of a run of one stage."""
    if run.median_seconds is None or startup.median_seconds is None:
        return None
    return 1000 * (run.median_seconds - startup.median_seconds) / run.stages
