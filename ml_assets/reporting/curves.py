"""Curves: line plots of DVC as small charts for the summary of a CI job.

A summary cannot hold images, but it draws Mermaid's ``xychart``. That chart spreads values evenly
over the axis, so a curve is sampled at even distances.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resources.dvc.graph.manifest import Manifest

#: DVC's templates of line plots.
_LINES = ("", "linear", "simple", "smooth")
_POINTS = 25
_MOST_ROWS = 100_000
_MOST_SERIES = 4


@dataclass(frozen=True)
class Curve:
    """The lines that a plot draws from one file.

    Attributes:
        y: column names, each a line.
    """

    title: str
    file: str
    x: str
    y: tuple[str, ...]


Points = Sequence[tuple[float, float]]


def find_curves(manifest: Manifest) -> list[Curve]:
    """Return the lines of a project's plots that name their columns."""
    found: list[Curve] = []
    for plot in manifest.plots:
        found += _of_properties(str(plot.properties.get("title") or plot.id), plot.properties, None)
    for stage in manifest.stages:
        for out in stage.outs:
            if out.role == "plot":
                title = str(out.plot.get("title") or out.location)
                found += _of_properties(title, out.plot, out.location)
    return found


def _of_properties(title: str, properties: Mapping[str, Any], file: str | None) -> Iterator[Curve]:
    if str(properties.get("template") or "") not in _LINES:
        return
    x, y = properties.get("x"), properties.get("y")
    for path, names in y.items() if isinstance(y, Mapping) else [(file, y)]:
        column = x.get(path) if isinstance(x, Mapping) else x
        columns = tuple(names) if isinstance(names, list | tuple) else (names,)
        texts = isinstance(column, str) and all(isinstance(one, str) for one in columns)
        if texts and isinstance(path, str) and "://" not in path:
            yield Curve(title, path, str(column), tuple(map(str, columns))[:_MOST_SERIES])


def read_points(curve: Curve, content: bytes) -> dict[str, Points]:
    """Return the points of each line of a curve, by x, without lines of less than two points."""
    rows = _read_rows(curve.file, content)
    lines: dict[str, Points] = {}
    for column in curve.y:
        points = [
            (x, y)
            for row in rows
            for x, y in [(_number(row.get(curve.x)), _number(row.get(column)))]
            if x is not None and y is not None
        ]
        if len({x for x, _ in points}) >= 2:
            lines[column] = sorted(points)
    return lines


def _read_rows(file: str, content: bytes) -> Sequence[Mapping[str, Any]]:
    text = content.decode("utf-8", "replace")
    try:
        if file.endswith(".json"):
            document = json.loads(text)
            if isinstance(document, dict):
                document = next((one for one in document.values() if isinstance(one, list)), [])
            rows = document if isinstance(document, list) else []
            return [row for row in rows if isinstance(row, dict)][:_MOST_ROWS]
        if file.endswith((".csv", ".tsv")):
            delimiter = "\t" if file.endswith(".tsv") else ","
            reader = csv.DictReader(text.splitlines(), delimiter=delimiter)
            return [row for row, _ in zip(reader, range(_MOST_ROWS), strict=False)]
    except (ValueError, RecursionError, csv.Error):
        return []
    return []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def draw_chart(curve: Curve, lines: Sequence[Points]) -> str:
    """Return a chart as Mermaid text; values from files are numbers or plain words in it.

    Args:
        lines: one or more, each with two or more points.
    """
    low = min(points[0][0] for points in lines)
    high = max(points[-1][0] for points in lines)
    grid = [low + (high - low) * step / (_POINTS - 1) for step in range(_POINTS)]
    chart = [
        "```mermaid",
        "xychart-beta",
        f'    title "{_plain(curve.title)}"',
        f'    x-axis "{_plain(curve.x)}" {low:.6g} --> {high:.6g}',
    ]
    for points in lines:
        values = ", ".join(f"{_read_off(points, x):.6g}" for x in grid)
        chart.append(f"    line [{values}]")
    return "\n".join([*chart, "```"])


def _read_off(points: Points, x: float) -> float:
    """Return a curve's value at x: interpolated between two points, else the nearest point's."""
    before = [point for point in points if point[0] <= x]
    after = [point for point in points if point[0] >= x]
    if not before or not after:
        return (before[-1] if before else after[0])[1]
    (left, low), (right, high) = before[-1], after[0]
    if right == left:
        same = [y for at, y in points if at == x]
        return sum(same) / len(same)
    return low + (high - low) * (x - left) / (right - left)


def _plain(text: str) -> str:
    """Return a text without markup of Mermaid or Markdown."""
    return " ".join(re.sub(r"[^A-Za-z0-9 _.()/-]", " ", text[:80]).split()) or "plot"
