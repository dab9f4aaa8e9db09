"""The lineage's picture: from left to right what was used, the stage that used it, what it made.

A picture leaves out nothing, but shows less at once than the tree and the JSON document: a stage's
code files are one box, and its commit, parameters, lock files and interpreter stand in the stage's
own. Their names and digests are in the boxes' titles, which browsers show at the pointer. What a
stage both reads and writes, because it copies it, is shown once: as read where another made it.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_assets.proof.lineage.layout import WIDTH, Layout, Point, place
from resources.errors import ConfigurationError
from resources.files import write_atomically
from security.content.printable import printable
from security.statements.provenance import Role
from security.verdict import Verdict
from security.verify.lineage import Edge, Lineage, Node
from security.verify.verified_statements import Origin

_MARGIN, _HEAD, _FOOT, _LINE, _PAD = 24, 64, 44, 16, 10
#: Letters that fit: above the picture, into a box's first line, and into its others.
_HEADING, _LARGE, _SMALL = 70, 31, 39
_MOST_TOLD = 60  # of names in a title
#: Fill, border, the sign for who sees no colours, and what it means.
_LOOKS = {
    Verdict.PASSED: ("#e6f4ea", "#2e7d4f", "✓", "proven"),
    Verdict.WARNED: ("#fdf3d8", "#b7791f", "!", "in no commit and no dataset"),
    Verdict.FAILED: ("#fde8e6", "#c0392b", "✗", "not proven"),
    Verdict.ERROR: ("#fde8e6", "#c0392b", "?", "could not be judged"),
}
_STAGE = ("#eef2fb", "#4a63a9", "▸", "a stage's run, as a signed statement says")
#: What stands in the box of the stage that used it.
_WITHIN = (Role.COMMIT.value, Role.PARAMS.value, Role.LOCK.value, Role.INTERPRETER.value)


@dataclass(frozen=True, slots=True)
class _Box:
    """What is drawn.

    Attributes:
        lines: the first one large.
        title: shown at the pointer.
        look: fill, border, sign and meaning.
        main: what was asked for.
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
    """Draw the lineage into one file that needs no other.

    Raises:
        ConfigurationError: the file is neither an SVG nor an HTML file.
    """
    if file is None:
        return
    picture = draw(found, root)
    if file.suffix == ".html":
        title = _text(found.nodes[root].name)
        head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        picture = f'{head}<body style="margin:0;background:#fff">{picture}</body></html>\n'
    elif file.suffix != ".svg":
        raise ConfigurationError(f"not a picture's name: {file}", "end it in .svg or .html")
    write_atomically(file, picture.encode("utf-8"))


def draw(found: Lineage, root: str | None = None) -> str:
    """Return the lineage as an SVG image.

    Args:
        root: what was asked for; what nothing follows from, where None.
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
    """Leave out one of two links that lead to and fro: the same bytes were read and written."""
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
    """Whether there is nothing to say of it that would have to be seen."""
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
    lines += [f"not as in the commit: {', '.join(loose)}"] if loose else []
    title = [
        f"stage {run.stage} {run.action.value}, stated by {origin.verified.identity}",
        f"statement {origin.verified.bundle.sha256}",
        *(f"not as in the commit: {one}" for one in loose[:_MOST_TOLD]),
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
    algorithm = next((name for name, digest in node.digest.items() if digest == node.id), "")
    return f"{algorithm} {node.id[:12]}".strip()


def _tell(nodes: Sequence[Node]) -> Iterator[str]:
    for node in nodes[:_MOST_TOLD]:
        yield f"{node.kind}: {node.name} {_digest(node)}"
    if len(nodes) > _MOST_TOLD:
        yield f"and {len(nodes) - _MOST_TOLD} more: --json has them"


def _draw_ways(layout: Layout, links: Mapping[tuple[str, str], str]) -> Iterator[str]:
    for link, points in layout.ways.items():
        title = f"<title>statement {_text(links[link])}</title>"
        yield (
            f'<path d="{_curve(points)}" fill="none" stroke="#9aa5b1" stroke-width="1.4">'
            f"{title}</path>"
        )


def _curve(points: Sequence[Point]) -> str:
    """Return a line that leaves and enters boxes level, and is straight where it passes them."""
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
    # An image of its own shows nothing outside of its box, however wide somebody's letters are.
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
    """Keep the end of what is too long: it says more than the beginning of a path."""
    return line if len(line) <= most else f"…{line[1 - most:]}"


def _text(text: str) -> str:
    """Return what others have named as text of the image, and nothing else."""
    return html.escape(printable(text, 500))
