"""The lineage report: a tree for people, and JSON for programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from security.content.printable import printable
from security.verdict import Verdict
from security.verify.lineage import Lineage, Node

_MOST_LINES = 2_000


def add_picture(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--picture``."""
    parser.add_argument(
        "--picture",
        metavar="FILE",
        type=Path,
        help="also draw the lineage into a .svg or .html file",
    )


def document(found: Lineage) -> dict[str, object]:
    """Return the JSON document of ``trace`` and ``impact``.

    The id of a directory is its bare digest, unless a file has the same digits.
    """
    bare = {one: one.removeprefix("dirHash:") for one in found.nodes}
    ids = {
        one: name if name == one or name not in found.nodes else one for one, name in bare.items()
    }
    return {
        "nodes": [
            {
                "id": ids[node.id],
                "kind": node.kind,
                "name": node.name,
                "digest": dict(node.digest),
                "verdict": node.verdict.value,
                "detail": node.detail,
            }
            for node in found.nodes.values()
        ],
        "edges": [
            {"from": ids[edge.source], "to": ids[edge.target], "statement": edge.statement}
            for edge in found.edges.values()
        ],
    }


def write_tree(found: Lineage, root: str, *, backwards: bool) -> None:
    """Print the lineage as a tree; repeated nodes are printed without their children."""
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
            print(f"… {len(found.nodes)} nodes in total; list all: --json")
            return
        below = [] if again else follow.get(digest, [])
        for number, one in enumerate(reversed(below)):
            last = number == 0
            lead = f"{indent}{'└── ' if last else '├── '}"
            waiting.append((one, lead, f"{indent}{'    ' if last else '│   '}"))
    what = "inputs" if backwards else "products"
    print(f"{len(found.nodes) - 1} {what}, {len(found.edges)} verified links")


def _say(node: Node) -> str:
    marks = {Verdict.FAILED: "NOT PROVEN: ", Verdict.WARNED: "warned: "}
    said = f"{marks.get(node.verdict, '')}{node.detail}" if node.detail else ""
    shown = f"{node.kind}: {printable(node.name)}"
    if node.digest:
        shown += f" [{node.id.removeprefix('dirHash:')[:16]}]"
    return f"{shown}  {printable(said)}" if said else shown


def _neighbours(found: Lineage, *, backwards: bool) -> dict[str, list[str]]:
    beside: dict[str, list[str]] = {}
    for edge in found.edges.values():
        start, end = (edge.target, edge.source) if backwards else (edge.source, edge.target)
        beside.setdefault(start, []).append(end)
    return beside
