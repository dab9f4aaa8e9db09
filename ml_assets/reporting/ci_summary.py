"""The summary of a CI job: metrics, plots and deployment, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.reporting.comparison_base import Base, find_base, read_for_display
from ml_assets.reporting.curves import Curve, Points, draw_chart, find_curves, read_points
from ml_assets.reporting.value_comparison import ValueComparison, compare_metrics, is_number
from resources.dvc.checkout.checkout import Checkout
from security.reports.markdown import code

_MOST_METRICS = 100
_MOST_CHARTS = 6


def write_sections(
    project: Project, rules: Rules, checkout: Checkout, environment: str
) -> list[str]:
    """Return the sections on metrics, plots and deployment.

    Args:
        environment: the policy environment of the gates.
    """
    base = find_base(project, rules)
    metrics, unreadable = compare_metrics(checkout, base)
    charts = _charts(checkout, base)
    return [
        *_metrics(base, metrics, unreadable),
        *(["### Plots", *charts] if charts else []),
        f"### Deployment\n\nNo deployment is configured for {code(environment)}.",
    ]


def _metrics(
    base: Base, metrics: Sequence[ValueComparison], unreadable: Sequence[str]
) -> Iterator[str]:
    if not metrics and not unreadable:
        return
    yield "### Metrics"
    if base.branch is None:
        yield f"No comparison: {code(base.absent)}"
    changed = [one for one in metrics if one.is_changed]
    shown = [*changed, *(one for one in metrics if not one.is_changed)][:_MOST_METRICS]
    before = "before" if base.branch is None else code(_name(base))
    rows = [
        f"| file | metric | here | {before} | difference |",
        "| --- | --- | ---: | ---: | ---: |",
        *(_row(one) for one in shown),
    ]
    if shown:
        yield "\n".join(rows)
    left = len(metrics) - len(shown)
    said = [f"{len(changed)} of {len(metrics)} differ" if base.branch and metrics else ""]
    said += [f"{left} more are not shown" if left else ""]
    said += ["; ".join(f"unreadable: {code(one)}" for one in unreadable)]
    if any(said):
        yield ". ".join(one for one in said if one) + "."


def _name(base: Base) -> str:
    return f"{base.branch.name} at {base.branch.commit[:12]}" if base.branch else ""


def _row(one: ValueComparison) -> str:
    difference = "–"
    if one.change is not None:
        difference = f"**{one.change:+.6g}**" if one.is_changed else "0"
    cells = (code(one.file), code(one.name), _number(one.now), _number(one.before), difference)
    return f"| {' | '.join(cells)} |"


def _number(value: Any) -> str:
    try:
        return f"{float(value):.6g}" if is_number(value) else "–"
    except OverflowError:
        return "inf"


def _charts(checkout: Checkout, base: Base) -> list[str]:
    curves = find_curves(checkout.manifest)
    earlier = base.read(checkout, [curve.file for curve in curves]) if curves else {}
    drawn: list[str] = []
    for curve in curves:
        try:
            content = read_for_display(checkout, curve.file)
        except OSError:
            content = None
        lines = read_points(curve, content) if content is not None else {}
        if lines and len(drawn) < _MOST_CHARTS:
            before = read_points(curve, earlier[curve.file]) if curve.file in earlier else {}
            drawn.append(_chart(curve, lines, before, base))
    return drawn


def _chart(
    curve: Curve, lines: Mapping[str, Points], before: Mapping[str, Points], base: Base
) -> str:
    """Draw a curve, with the earlier version of each line that has changed."""
    old = {name: before[name] for name in lines if name in before and before[name] != lines[name]}
    legend = [code(name) for name in lines] + [
        f"{code(name)} of {code(_name(base))}" for name in old
    ]
    chart = draw_chart(curve, [*lines.values(), *old.values()])
    return f"{chart}\n\nLines in order: {', '.join(legend)}"
