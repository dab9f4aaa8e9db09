"""The lineage report: nodes and edges as a tree for people, JSON for programs, and a picture."""

from __future__ import annotations

import argparse
import html
from collections.abc import Iterator
from pathlib import Path

from resources.errors import ConfigurationError
from resources.files import write_atomically
from security.lineage import Lineage, Node
from security.printable import printable
from security.verdict import Verdict

_MOST_LINES = 2_000
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 220, 40, 60, 16, 20  # of boxes, in pixels
_COLOURS = {
    Verdict.PASSED: "#e8f3ec",
    Verdict.WARNED: "#fdf3d8",
    Verdict.FAILED: "#fbe3e1",
    Verdict.ERROR: "#fbe3e1",
}


def add_picture(parser: argparse.ArgumentParser) -> None:
    """Add the option for a picture."""
    parser.add_argument(
        "--picture", metavar="FILE", type=Path, help="also draw it: a .svg or .html file"
    )


def document(found: Lineage) -> dict[str, object]:
    """Return the shape that other programs rely on."""
    return {
        "nodes": [
            {
                "id": node.id,
                "kind": node.kind,
                "name": node.name,
                "digest": dict(node.digest),
                "verdict": node.verdict.value,
                "detail": node.detail,
            }
            for node in found.nodes.values()
        ],
        "edges": [
            {"from": edge.source, "to": edge.target, "statement": edge.statement}
            for edge in found.edges.values()
        ],
    }


def write_tree(found: Lineage, root: str, *, backwards: bool) -> None:
    """Print the lineage as a tree; what was printed already is only named again."""
    follow = _neighbours(found, backwards=backwards)
    seen: set[str] = set()
    waiting = [(root, "", "")]
    lines = 0
    while waiting:
        digest, lead, indent = waiting.pop()
        again = digest in seen
        seen.add(digest)
        print(f"{lead}{_say(found.nodes[digest])}{' (see above)' if again else ''}")
        lines += 1
        if lines == _MOST_LINES:
            print(f"… {len(found.nodes)} in all: --json has them")
            return
        below = [] if again else follow.get(digest, [])
        for number, one in enumerate(reversed(below)):
            last = number == 0
            lead = f"{indent}{'└── ' if last else '├── '}"
            waiting.append((one, lead, f"{indent}{'    ' if last else '│   '}"))
    what = "that it was made from" if backwards else "made from it"
    print(f"{len(found.nodes) - 1} {what}; {len(found.edges)} steps, each stated and verified")


def _say(node: Node) -> str:
    marks = {Verdict.FAILED: "NOT PROVEN: ", Verdict.WARNED: "warned: "}
    said = f"{marks.get(node.verdict, '')}{node.detail}" if node.detail else ""
    shown = f"{node.kind}: {printable(node.name)}"
    if node.digest:
        shown += f" [{node.id[:16]}]"
    return f"{shown}  {printable(said)}" if said else shown


def _neighbours(found: Lineage, *, backwards: bool) -> dict[str, list[str]]:
    beside: dict[str, list[str]] = {}
    for edge in found.edges.values():
        start, end = (edge.target, edge.source) if backwards else (edge.source, edge.target)
        beside.setdefault(start, []).append(end)
    return beside


def write_picture(found: Lineage, root: str, file: Path | None) -> None:
    """Draw the lineage from left to right into one file that needs no other.

    Raises:
        ConfigurationError: the file is neither an SVG nor an HTML file.
    """
    if file is None:
        return
    picture = draw(found)
    if file.suffix == ".html":
        title = html.escape(printable(found.nodes[root].name))
        head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        picture = f"{head}<body>{picture}</body></html>\n"
    elif file.suffix != ".svg":
        raise ConfigurationError(f"not a picture's name: {file}", "end it in .svg or .html")
    write_atomically(file, picture.encode("utf-8"))


def draw(found: Lineage) -> str:
    """Return the lineage as an SVG image: what comes first stands on the left."""
    places = _place(found)
    columns = 1 + max(column for column, _ in places.values())
    rows = 1 + max(row for _, row in places.values())
    width = 2 * _MARGIN + columns * (_WIDTH + _GAP_X) - _GAP_X
    height = 2 * _MARGIN + rows * (_HEIGHT + _GAP_Y) - _GAP_Y
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        *_draw_edges(found, places),
        *_draw_nodes(found, places),
        "</svg>",
    ]
    return "\n".join(parts)


def _place(found: Lineage) -> dict[str, tuple[int, int]]:
    """Return the column and row of each node: right of all that it was made from."""
    before = _neighbours(found, backwards=True)
    after = _neighbours(found, backwards=False)
    open_inputs = {digest: len(before.get(digest, ())) for digest in found.nodes}
    columns = dict.fromkeys(found.nodes, 0)
    ready = [digest for digest, count in open_inputs.items() if count == 0]
    while ready:
        digest = ready.pop()
        for one in after.get(digest, ()):
            columns[one] = max(columns[one], columns[digest] + 1)
            open_inputs[one] -= 1
            if open_inputs[one] == 0:
                ready.append(one)
    rows: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for digest, column in columns.items():
        places[digest] = (column, rows.get(column, 0))
        rows[column] = rows.get(column, 0) + 1
    return places


def _corner(place: tuple[int, int]) -> tuple[int, int]:
    column, row = place
    return _MARGIN + column * (_WIDTH + _GAP_X), _MARGIN + row * (_HEIGHT + _GAP_Y)


def _draw_edges(found: Lineage, places: dict[str, tuple[int, int]]) -> Iterator[str]:
    for edge in found.edges.values():
        x1, y1 = _corner(places[edge.source])
        x2, y2 = _corner(places[edge.target])
        x1, y1, y2 = x1 + _WIDTH, y1 + _HEIGHT // 2, y2 + _HEIGHT // 2
        bend = _GAP_X // 2
        yield (
            f'<path d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}" fill="none"'
            ' stroke="#9aa5b1"/>'
        )


def _draw_nodes(found: Lineage, places: dict[str, tuple[int, int]]) -> Iterator[str]:
    for digest, place in places.items():
        node = found.nodes[digest]
        x, y = _corner(place)
        name = printable(node.name, 200)
        shown = name if len(name) <= 32 else f"…{name[-31:]}"
        title = html.escape(f"{name}\n{node.id}\n{printable(node.detail)}")
        yield (
            f'<g><title>{title}</title><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}"'
            f' rx="4" fill="{_COLOURS[node.verdict]}" stroke="#52606d"/>'
            f'<text x="{x + 8}" y="{y + 17}">{html.escape(shown)}</text>'
            f'<text x="{x + 8}" y="{y + 32}" fill="#52606d" font-size="10">'
            f"{html.escape(node.kind)} {node.id[:16] if node.digest else ''}</text></g>"
        )
