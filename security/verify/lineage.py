"""The lineage of a digest: back to everything it was made from, or on to everything made from it.

Every edge is a verified statement. A statement of an untrusted signer is no edge. A node
without provenance says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from security.statements.provenance import Material, Role
from security.statements.statement import Subject, identify, list_identifiers
from security.verdict import Verdict
from security.verify.verified_statements import Origin, VerifiedStatements

#: Materials that other runs made: the lineage continues behind them.
_MADE = (Role.OUT, Role.ORIGIN)


@dataclass(frozen=True, slots=True)
class Node:
    """Something with a digest.

    Attributes:
        id: its identifying digest.
        kind: its role in the run that used it; ``out`` for the out of a run.
        verdict: ``failed`` without trusted provenance, ``warned`` if neither committed nor a
            dataset.
        detail: a remark of one line.
    """

    id: str
    kind: str
    name: str
    digest: Mapping[str, str]
    verdict: Verdict = Verdict.PASSED
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """From an input to an out, with the digest of the statement that links them."""

    source: str
    target: str
    statement: str


@dataclass
class Lineage:
    """Nodes by digest, and edges, in the order of discovery."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str], Edge] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    def add(self, node: Node) -> None:
        """Add a node; the out of a run replaces the same digest as an input."""
        known = self.nodes.get(node.id)
        if known is None or (known.kind != "out" and node.kind == "out"):
            self.nodes[node.id] = node

    def merge(self, other: Lineage) -> None:
        """Add the nodes and edges of another lineage."""
        for node in other.nodes.values():
            self.add(node)
        self.edges = {**other.edges, **self.edges}
        self.origins |= other.origins

    def connect(self, source: str, target: str, statement: str) -> None:
        """Add an edge once. A run that copies a file would lead to itself, and adds none."""
        if source == target:
            return
        self.edges.setdefault((source, target), Edge(source, target, statement))

    @property
    def unproven(self) -> list[Node]:
        """The nodes without trusted provenance."""
        return [node for node in self.nodes.values() if node.verdict is Verdict.FAILED]

    def of_kind(self, kind: str) -> list[Node]:
        """The nodes of a kind."""
        return [node for node in self.nodes.values() if node.kind == kind]


def trace(statements: VerifiedStatements, subject: Subject) -> Lineage:
    """Follow a subject back to commits and data.

    1. Verified provenance leads from an out to all inputs of its run.
    2. A verified listing leads from a file to its directory.
    3. An out without trusted provenance is unproven.
    """
    found = Lineage()
    waiting: list[tuple[Subject, bool]] = [(subject, True)]
    seen: set[str] = set()
    while waiting:
        one, must = waiting.pop()
        digest = identify(one.digest)
        if digest in seen:
            continue
        seen.add(digest)
        origin = statements.origin(digest)
        if origin is not None:  # 1
            _enter(found, one, origin)
            waiting += [
                (Subject(material.name, material.digest), True)
                for material in origin.provenance.of_role(Role.OUT)
            ]
            continue
        directories = statements.directories_with(digest) if "sha256" in one.digest else []
        for directory, verified in directories:  # 2
            whole = verified.statement.subjects[0]
            found.add(Node(digest, "out", one.name, one.digest, detail=f"in {whole.name}"))
            found.connect(directory, digest, verified.bundle.sha256)
            waiting.append((whole, True))
        if must and not directories:  # 3
            found.nodes[digest] = _unproven(one, digest, statements)
    return found


def _enter(found: Lineage, made: Subject, origin: Origin) -> None:
    """Add an out and all inputs of its run."""
    digest, statement = identify(made.digest), origin.verified.bundle.sha256
    run = origin.provenance
    names = (one.name for one in run.outs if digest in list_identifiers(one.digest))
    name = next(names, made.name)
    detail = f"{run.stage} {run.action.value}, signed by {origin.verified.identity}"
    same = [one.name for one in run.materials if identify(one.digest) == digest]
    detail += f"; the same bytes as {', '.join(same)}" if same else ""
    detail += f"; {origin.weakness}" if origin.weakness else ""
    verdict = Verdict.WARNED if origin.weakness else Verdict.PASSED
    found.nodes[digest] = Node(digest, "out", name, made.digest, verdict, detail)
    found.origins[digest] = origin
    for material in run.materials:
        found.add(_node(material))
        found.connect(identify(material.digest), digest, statement)


def _node(material: Material) -> Node:
    local = material.role is Role.LOCAL
    return Node(
        identify(material.digest),
        material.role.value,
        material.name,
        material.digest,
        Verdict.WARNED if local else Verdict.PASSED,
        "neither committed nor a dataset" if local else material.uri,
    )


def _unproven(subject: Subject, digest: str, statements: VerifiedStatements) -> Node:
    reasons = [
        statements.refused[one]
        for one in statements.index.about(digest)
        if one in statements.refused
    ]
    detail = reasons[0] if reasons else "no trusted provenance"
    return Node(digest, "out", subject.name, subject.digest, Verdict.FAILED, detail)


def impact(statements: VerifiedStatements, start: Node) -> Lineage:
    """Follow a node to everything that was made from it.

    1. Verified provenance leads from an input to all outs of its run.
    2. A verified listing leads from a file to its directories.
    """
    found = Lineage({start.id: start})
    waiting, seen = [start.id], {start.id}
    while waiting:
        digest = waiting.pop()
        for origin in statements.made_from(digest):  # 1
            waiting += _follow(found, digest, origin, seen)
        for directory, verified in statements.directories_with(digest):  # 2
            whole = verified.statement.subjects[0]
            found.add(Node(directory, "out", whole.name, whole.digest, detail="contains it"))
            found.connect(digest, directory, verified.bundle.sha256)
            if directory not in seen:
                seen.add(directory)
                waiting.append(directory)
    return found


def _follow(found: Lineage, digest: str, origin: Origin, seen: set[str]) -> list[str]:
    """Add the outs of a run; return the new ones."""
    new: list[str] = []
    run = origin.provenance
    for out in run.outs:
        made = identify(out.digest)
        found.add(Node(made, "out", out.name, out.digest, detail=f"{run.stage} {run.action.value}"))
        found.connect(digest, made, origin.verified.bundle.sha256)
        found.origins.setdefault(made, origin)
        if made not in seen:
            seen.add(made)
            new.append(made)
    return new
