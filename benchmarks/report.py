"""The report: the result of every case, as a table and as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.errors import BenchmarkError, WrongRun
from benchmarks.figures import Figure, Series, Unit, Verdict, judge
from benchmarks.machine import Machine
from benchmarks.procedures import Outcome

_HEADER = ("case", "ours", "peer", "measured", "target", "met")
_DIGITS = {Unit.RATIO: 3, Unit.SECONDS: 2, Unit.MILLISECONDS: 1}


@dataclass(frozen=True)
class Result:
    """The result of one case: an outcome or an error."""

    case: Case
    outcome: Outcome | None = None
    error: BenchmarkError | None = None

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Its figures, without values if there is no outcome."""
        if self.outcome is not None:
            return self.outcome.figures
        return tuple(limit.figure(None) for limit in self.case.limits)

    @property
    def verdict(self) -> Verdict:
        """Whether the case meets its targets."""
        return judge(self.figures)

    @property
    def met(self) -> str:
        """The verdict in the table."""
        return "error" if isinstance(self.error, WrongRun) else self.verdict.value

    def document(self) -> dict[str, object]:
        """Return the JSON document."""
        outcome = self.outcome
        return {
            "name": self.case.name,
            "summary": self.case.summary,
            "target": _target(self.case),
            "verdict": self.met,
            "met": {Verdict.MET: True, Verdict.MISSED: False}.get(self.verdict),
            "figures": [_figure_document(figure) for figure in self.figures],
            "ours": _series_document(outcome.ours if outcome else None),
            "peer": _series_document(outcome.peer if outcome else None),
            "more": [_series_document(series) for series in outcome.more] if outcome else [],
            "notes": list(outcome.notes) if outcome else [],
            "error": self.error.message if self.error else None,
            "hint": self.error.hint if self.error else None,
        }


@dataclass(frozen=True)
class Report:
    """The results of one run of the benchmarks.

    Attributes:
        date: the date of the run, in ISO 8601.
    """

    date: str
    machine: Machine
    results: Sequence[Result]

    @property
    def exit_code(self) -> int:
        """0 all met; 1 a target missed, takes precedence over 3; 3 a case was not measured."""
        verdicts = {result.verdict for result in self.results}
        if Verdict.MISSED in verdicts:
            return 1
        return 0 if verdicts == {Verdict.MET} else 3

    def document(self) -> dict[str, object]:
        """Return the JSON document; all times are in seconds."""
        return {
            "format": 1,
            "date": self.date,
            "machine": self.machine.document(),
            "cases": [result.document() for result in self.results],
        }

    def table(self) -> str:
        """Return the table, one line per case, followed by remarks."""
        rows = [_HEADER, *(_row(result) for result in self.results)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines.append("")
        for result in self.results:
            lines += _remarks(result)
        machine = self.machine
        lines.append(
            f"{machine.usable_cpus} of {machine.cpus} processors, load {machine.load} at the "
            f"start, python {machine.python}, dagster {machine.dagster}, dvc {machine.dvc}, "
            f"{self.date}"
        )
        return "\n".join(lines) + "\n"


def write_report(report: Report, file: Path) -> None:
    """Write a report as JSON, atomically: readers see the old or the new file."""
    text = json.dumps(report.document(), indent=2, ensure_ascii=False, allow_nan=False)
    new = file.with_name(f"{file.name}.new")
    new.write_text(f"{text}\n", encoding="utf-8")
    os.replace(new, file)


def show_figure(figure: Figure) -> str:
    """Return a figure's value with its unit."""
    if figure.value is None:
        return "–"
    return f"{figure.value:.{_DIGITS[figure.unit]}f} {figure.unit.value}"


def _row(result: Result) -> tuple[str, ...]:
    outcome = result.outcome
    judged = [figure for figure in result.figures if figure.target is not None]
    return (
        result.case.name,
        _show_series(outcome.ours if outcome else None),
        _show_series(outcome.peer if outcome else None),
        ", ".join(show_figure(figure) for figure in judged),
        _target(result.case),
        result.met,
    )


def _remarks(result: Result) -> list[str]:
    name = result.case.name
    if result.error is not None:
        return [f"{name}: {result.error.message}", f"  hint: {result.error.hint}"]
    more = [
        f"{name}: {figure.name}: {show_figure(figure)}"
        for figure in result.figures
        if figure.target is None and figure.value is not None
    ]
    notes = result.outcome.notes if result.outcome else ()
    return [*more, *(f"{name}: {note}" for note in notes)]


def _target(case: Case) -> str:
    return " and ".join(str(limit) for limit in case.limits)


def _show_series(series: Series | None) -> str:
    if series is None or series.median_seconds is None:
        return "–"
    return f"{series.median_seconds:.2f} s (n={len(series.samples)})"


def _figure_document(figure: Figure) -> dict[str, object]:
    return {
        "name": figure.name,
        "unit": figure.unit.value,
        "value": figure.value,
        "at_most": figure.target,
        "verdict": figure.verdict.value,
    }


def _series_document(series: Series | None) -> dict[str, object] | None:
    if series is None:
        return None
    return {
        "contender": series.contender,
        "command": series.command,
        "stages": series.stages,
        "runs": len(series.samples),
        "slow": series.slow,
        "median_seconds": series.median_seconds,
        "median_cpu_seconds": series.median_cpu_seconds,
        "seconds": [sample.seconds for sample in series.samples],
        "cpu_seconds": [sample.cpu_seconds for sample in series.samples],
    }
