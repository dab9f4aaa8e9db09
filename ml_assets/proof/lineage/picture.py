"""The lineage picture: inputs, stage and outs from left to right, as SVG or HTML.

The picture groups nodes: a stage's code files are one box, and its commit, parameters, lock files
and interpreter are in the stage's box. Their names and digests are in the title of the box, which
browsers show under the pointer. A file that a stage only copies is shown once.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_assets.proof.lineage.layout import WIDTH, PictureLayout, Point, place
from resources.errors import ConfigurationError
from resources.files import write_output
from security.content.printable import printable
from security.statements.provenance import Role
from security.verdict import Verdict
from security.verify.lineage import Edge, Lineage, Node
from security.verify.verified_statements import Origin

_MARGIN, _HEAD, _FOOT, _LINE, _PAD = 24, 64, 44, 16, 10
#: The most letters of the heading, of a box's first line, and of its other lines.
_HEADING, _LARGE, _SMALL = 70, 31, 39
_MOST_TOLD = 60  # names in a title
#: Fill, border, a sign that needs no colours, and its meaning in the legend.
_LOOKS = {
    Verdict.PASSED: ("#e6f4ea", "#2e7d4f", "✓", "proven"),
    Verdict.WARNED: ("#fdf3d8", "#b7791f", "!", "neither committed nor a dataset"),
    Verdict.FAILED: ("#fde8e6", "#c0392b", "✗", "not proven"),
    Verdict.ERROR: ("#fde8e6", "#c0392b", "?", "could not be checked"),
}
_STAGE = ("#eef2fb", "#4a63a9", "▸", "run of a stage, from its signed statement")
#: The roles that are shown in the stage's box.
_WITHIN = (Role.COMMIT.value, Role.PARAMS.value, Role.LOCK.value, Role.INTERPRETER.value)


@dataclass(frozen=True, slots=True)
class _Box:
    """A box of the picture.

    Attributes:
        lines: its text; the first line is large.
        title: its text under the pointer.
        look: fill, border, sign and meaning.
        main: whether it is the subject.
    """

    lines: Sequence[str]
    title: Sequence[str]
    look: tuple[str, str, str, str]
    main: bool = False

    @property
    def height(self) -> float:
        """Its height in pixels."""
        return 2 * _PAD + _LINE * len(self.lines)


def write_picture(found: Lineage, root: str, file: Path | None) -> None:
    """Draw the lineage into one self-contained file.

    Raises:
        ConfigurationError: the file name ends in neither .svg nor .html.
    """
    if file is None:
        return
    picture = draw(found, root)
    if file.suffix == ".html":
        title = _text(found.nodes[root].name)
        head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        picture = f'{head}<body style="margin:0;background:#fff">{picture}</body></html>\n'
    elif file.suffix != ".svg":
        raise ConfigurationError(
            f"unsupported picture format: {file}", "use a name that ends in .svg or .html"
        )
    write_output(file, picture.encode("utf-8"))


def draw(found: Lineage, root: str | None = None) -> str:
    """Return the lineage as an SVG image.

    Args:
        root: the subject; None for the first node without products.
    """
    used = {source for source, _ in found.edges}
    root = root or next((one for one in found.nodes if one not in used), None)
    boxes, links = _arrange(found, root)
    layout = place({one: box.height for one, box in boxes.items()}, links)
    name = _text(_cut(found.nodes[root].name, _HEADING)) if root is not None else "nothing"
    width = max(layout.width, 3 * WIDTH) + 2 * _MARGIN
    height = layout.height + _HEAD + _FOOT + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" font-family="system-ui, sans-serif"'
        ' font-size="12" fill="#1f2933">',
        f"<title>the lineage of {name}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{_MARGIN}" y="32" font-size="18" font-weight="600">{name}</text>',
        f'<text x="{_MARGIN}" y="50" fill="#52606d">{_count(found, root)}</text>',
        f'<g transform="translate({_MARGIN} {_HEAD})">',
        *_draw_ways(layout, links),
        *(_draw_box(box, layout.corners[one]) for one, box in boxes.items()),
        "</g>",
        *_draw_legend(height - _FOOT / 2),
        "</svg>",
    ]
    return "\n".join(parts)


def _count(found: Lineage, root: str | None) -> str:
    runs = len({origin.verified.bundle.sha256 for origin in found.origins.values()})
    main = found.nodes[root] if root is not None else None
    digest = f"{_digest(main)} · " if main is not None and main.digest else ""
    counted = f"{len(found.nodes)} nodes · {runs} run{'' if runs == 1 else 's'}"
    return _text(f"{digest}{counted} · read from left to right")


def _arrange(
    found: Lineage, root: str | None
) -> tuple[dict[str, _Box], dict[tuple[str, str], str]]:
    """Return the boxes, and the statement of each link between two of them."""
    runs = {one.verified.bundle.sha256: one for one in found.origins.values()}
    by_statement: dict[str, list[Edge]] = {}
    links: dict[tuple[str, str], str] = {}
    for edge in found.edges.values():
        if edge.statement in runs:
            by_statement.setdefault(edge.statement, []).append(edge)
        else:
            links[edge.source, edge.target] = edge.statement
    boxes: dict[str, _Box] = {}
    hidden: set[str] = set()
    for statement, edges in by_statement.items():
        used = [found.nodes[one] for one in dict.fromkeys(edge.source for edge in edges)]
        within = [one for one in used if one.kind in _WITHIN and _is_plain(one, root)]
        code = [one for one in used if one.kind == Role.CODE.value and _is_plain(one, root)]
        code = code if len(code) > 1 else []
        stage = f"stage {statement}"
        boxes[stage] = _stage_box(runs[statement], within)
        if code:
            boxes[f"code {statement}"] = _code_box(runs[statement], code)
            links[f"code {statement}", stage] = statement
        folded = {one.id for one in (*within, *code)}
        hidden |= folded
        links |= {(one.id, stage): statement for one in used if one.id not in folded}
        links |= {(stage, edge.target): statement for edge in edges}
    links = _without_copies(links, {f"stage {one}" for one in by_statement})
    shown = {end for link in links for end in link} | found.nodes.keys() - hidden
    boxes |= {
        one: _node_box(node, main=one == root) for one, node in found.nodes.items() if one in shown
    }
    return boxes, links


def _without_copies(
    links: Mapping[tuple[str, str], str], stages: Collection[str]
) -> dict[tuple[str, str], str]:
    """Remove one of two opposite links between a stage and bytes that it reads and writes."""
    kept = dict(links)
    makers: dict[str, int] = {}
    for _, end in links:
        makers[end] = makers.get(end, 0) + 1
    for one, stage in links:
        if one in stages or (stage, one) not in links:
            continue
        del kept[(stage, one) if makers[one] > 1 else (one, stage)]
    return kept


def _is_plain(node: Node, root: str | None) -> bool:
    """Return whether a node may be grouped: not the subject, and proven."""
    return node.id != root and node.verdict is Verdict.PASSED


def _stage_box(origin: Origin, within: Sequence[Node]) -> _Box:
    run = origin.provenance
    by_kind: dict[str, list[Node]] = {}
    for node in within:
        by_kind.setdefault(node.kind, []).append(node)
    commits = [one.id[:8] for one in by_kind.pop(Role.COMMIT.value, ())]
    lines = [run.stage, f"{run.action.value} on {run.finished:%Y-%m-%d %H:%M} UTC"]
    lines += [f"commit {one}" for one in commits]
    lines += [
        nodes[0].name if len(nodes) == 1 else f"{len(nodes)} {kind} files"
        for kind, nodes in by_kind.items()
    ]
    loose = run.conditions.uncommitted
    lines += [f"uncommitted: {', '.join(loose)}"] if loose else []
    title = [
        f"stage {run.stage} {run.action.value}, signed by {origin.verified.identity}",
        f"statement {origin.verified.bundle.sha256}",
        *(f"uncommitted: {one}" for one in loose[:_MOST_TOLD]),
        *_tell(within),
    ]
    return _Box(lines, title, _STAGE)


def _code_box(origin: Origin, code: Sequence[Node]) -> _Box:
    title = [f"{len(code)} code files of stage {origin.provenance.stage}", *_tell(code)]
    return _Box((f"{len(code)} code files", "tracked by Git"), title, _LOOKS[Verdict.PASSED])


def _node_box(node: Node, *, main: bool) -> _Box:
    title = [node.name, f"{node.kind} {node.id}", node.detail]
    second = f"{node.kind} · {_digest(node)}" if node.digest else node.kind
    return _Box((node.name, second), [one for one in title if one], _LOOKS[node.verdict], main)


def _digest(node: Node) -> str:
    digits = node.id.rpartition(":")[2]
    algorithm = next((name for name, digest in node.digest.items() if digest == digits), "")
    return f"{algorithm} {digits[:12]}".strip()


def _tell(nodes: Sequence[Node]) -> Iterator[str]:
    for node in nodes[:_MOST_TOLD]:
        yield f"{node.kind}: {node.name} {_digest(node)}"
    if len(nodes) > _MOST_TOLD:
        yield f"and {len(nodes) - _MOST_TOLD} more: --json has them"


def _draw_ways(layout: PictureLayout, links: Mapping[tuple[str, str], str]) -> Iterator[str]:
    for link, points in layout.ways.items():
        title = f"<title>statement {_text(links[link])}</title>"
        yield (
            f'<path d="{_curve(points)}" fill="none" stroke="#9aa5b1" stroke-width="1.4">'
            f"{title}</path>"
        )


def _curve(points: Sequence[Point]) -> str:
    """Return a curve that enters and leaves boxes horizontally, straight beside others."""
    (x, y), *rest = points
    words = [f"M{x:.0f} {y:.1f}"]
    for number, (x2, y2) in enumerate(rest):
        if number % 2:
            words.append(f"L{x2:.0f} {y2:.1f}")
        else:
            bend = abs(x2 - x) / 2
            words.append(f"C{x + bend:.0f} {y:.1f} {x2 - bend:.0f} {y2:.1f} {x2:.0f} {y2:.1f}")
        x, y = x2, y2
    return " ".join(words)


def _draw_box(box: _Box, corner: Point) -> str:
    fill, border, sign, _ = box.look
    x, y = corner
    title = "\n".join(_text(one) for one in box.title)
    rest = "".join(
        f'<text x="{_PAD}" y="{_PAD + 11 + _LINE * row}" fill="#52606d" font-size="11">'
        f"{_text(_cut(line, _SMALL))}</text>"
        for row, line in enumerate(box.lines[1:], 1)
    )
    head = _text(_cut(box.lines[0], _LARGE))
    # A nested image clips its text, even with a wide font.
    return (
        f'<svg x="{x:.0f}" y="{y:.1f}" width="{WIDTH}" height="{box.height:.0f}">'
        f"<title>{title}</title>"
        f'<rect x="1" y="1" width="{WIDTH - 2}" height="{box.height - 2:.0f}" rx="6"'
        f' fill="{fill}" stroke="{border}" stroke-width="{2 if box.main else 1}"/>'
        f'<text x="{_PAD}" y="{_PAD + 11}" font-weight="600">{head}</text>'
        f'{rest}<text x="{WIDTH - _PAD}" y="{_PAD + 11}" fill="{border}" font-weight="700"'
        f' text-anchor="end">{sign}</text></svg>'
    )


def _draw_legend(y: float) -> Iterator[str]:
    x: float = _MARGIN
    for fill, border, sign, meaning in (_STAGE, *_LOOKS.values()):
        yield (
            f'<rect x="{x:.0f}" y="{y - 11:.0f}" width="18" height="14" rx="3" fill="{fill}"'
            f' stroke="{border}"/><text x="{x + 9:.0f}" y="{y:.0f}" text-anchor="middle"'
            f' fill="{border}" font-weight="700" font-size="11">{sign}</text>'
            f'<text x="{x + 24:.0f}" y="{y:.0f}" fill="#52606d" font-size="11">{meaning}</text>'
        )
        x += 40 + 6.2 * len(meaning)


def _cut(line: str, most: int) -> str:
    """Shorten a line from its start: the end of a path says more."""
    return line if len(line) <= most else f"…{line[1 - most:]}"


def _text(text: str) -> str:
    """Return a foreign name as plain text of the image."""
    return html.escape(printable(text, 500))
