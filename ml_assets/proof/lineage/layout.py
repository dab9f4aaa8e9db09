"""The layout of a lineage picture: the places of boxes, from left to right, and of lines.

1. A box is in a column right of its sources; a box without sources is next to its first target. In
   a circle of boxes, one line goes backwards.
2. A line over several columns has a lane in each, so that it passes between boxes.
3. In a column, boxes are ordered and placed by the mean height of their neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

WIDTH, GAP_X, GAP_Y = 272, 60, 14  # of a box, and between boxes, in pixels
_LANE = 6  # height of a line's lane in a column
_SWEEPS = 8

Point = tuple[float, float]
Link = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PictureLayout:
    """The places of boxes and lines, in pixels.

    Attributes:
        corners: the upper left corner of each box.
        ways: points of each link, from the right side of one box to the left side of another.
    """

    corners: Mapping[str, Point]
    ways: Mapping[Link, Sequence[Point]]
    width: float
    height: float


def place(heights: Mapping[str, float], links: Iterable[Link]) -> PictureLayout:
    """Place the boxes and lines.

    Args:
        heights: heights of the boxes, in pixels.
    """
    wanted = list(dict.fromkeys(links))
    columns = _find_columns(heights, wanted)
    sizes = dict(heights)
    routes = {link: _route(link, columns, sizes) for link in wanted}  # 2
    beside: dict[str, list[str]] = {one: [] for one in columns}
    for route in routes.values():
        for left, right in zip(route, route[1:], strict=False):
            beside[left].append(right)
            beside[right].append(left)
    tops = _find_tops(_stack(columns), sizes, beside)
    lowest = min(tops.values(), default=0.0)
    corners = {one: (columns[one] * (WIDTH + GAP_X), tops[one] - lowest) for one in columns}
    ways = {link: _way(route, corners, sizes) for link, route in routes.items()}
    return PictureLayout(
        corners={one: corners[one] for one in heights},
        ways=ways,
        width=max((x + WIDTH for x, _ in corners.values()), default=0),
        height=max((y + sizes[one] for one, (_, y) in corners.items()), default=0),
    )


def _find_columns(heights: Mapping[str, float], links: Sequence[Link]) -> dict[str, int]:
    """Return the column of each box: step 1."""
    after: dict[str, list[str]] = {one: [] for one in heights}
    missing = dict.fromkeys(heights, 0)
    for source, target in links:
        after[source].append(target)
        missing[target] += 1
    sources = [one for one, count in missing.items() if count == 0]
    columns = dict.fromkeys(heights, 0)
    ready, waiting = list(sources), dict.fromkeys(heights)
    while waiting:
        one = ready.pop() if ready else next(iter(waiting))  # the latter: a circle
        if one not in waiting:
            continue
        del waiting[one]
        for target in after[one]:
            if target in waiting:
                columns[target] = max(columns[target], columns[one] + 1)
                missing[target] -= 1
                if missing[target] == 0:
                    ready.append(target)
    for one in sources:
        if after[one]:
            columns[one] = max(0, min(columns[target] for target in after[one]) - 1)
    return columns


def _route(link: Link, columns: dict[str, int], sizes: dict[str, float]) -> list[str]:
    """Return the boxes and lanes of a link, and add its lanes to columns and sizes."""
    source, target = link
    between = [f"{source} {target} {at}" for at in range(columns[source] + 1, columns[target])]
    for at, lane in enumerate(between, columns[source] + 1):
        columns[lane] = at
        sizes[lane] = _LANE
    return [source, *between, target]


def _stack(columns: Mapping[str, int]) -> list[list[str]]:
    stacks: list[list[str]] = [[] for _ in range(1 + max(columns.values(), default=-1))]
    for one, column in columns.items():
        stacks[column].append(one)
    return stacks


def _find_tops(
    stacks: list[list[str]], sizes: Mapping[str, float], beside: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """Return the upper edge of each box: step 3."""
    centres = {one: float(row) for stack in stacks for row, one in enumerate(stack)}
    tops: dict[str, float] = {}
    for sweep in range(2 * _SWEEPS):
        for stack in stacks if sweep % 2 == 0 else reversed(stacks):
            wanted = {
                one: _mean([centres[two] for two in beside[one]], centres[one]) for one in stack
            }
            if sweep < _SWEEPS:  # later sweeps keep the order
                stack.sort(key=lambda one: (wanted[one], centres[one]))
            found = _spread([wanted[one] for one in stack], [sizes[one] for one in stack])
            for one, top in zip(stack, found, strict=True):
                tops[one] = top
                centres[one] = top + sizes[one] / 2
    return tops


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _spread(centres: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Return upper edges near the centres, in order and without overlap.

    The mean of a placement from above and one from below keeps the distances and is centred.
    """
    down: list[float] = []
    free = float("-inf")
    for centre, height in zip(centres, heights, strict=True):
        down.append(max(centre - height / 2, free))
        free = down[-1] + height + GAP_Y
    up: list[float] = []
    free = float("inf")
    for centre, height in zip(reversed(centres), reversed(heights), strict=True):
        up.append(min(centre - height / 2, free - height))
        free = up[-1] - GAP_Y
    return [(one + other) / 2 for one, other in zip(down, reversed(up), strict=True)]


def _way(
    route: Sequence[str], corners: Mapping[str, Point], sizes: Mapping[str, float]
) -> list[Point]:
    points: list[Point] = []
    for one in route:
        x, y = corners[one]
        points += [(x, y + sizes[one] / 2), (x + WIDTH, y + sizes[one] / 2)]
    return points[1:-1]
