"""The lineage: the way from a digest back to all that it was made from, or on to all made from it.

Every edge is a verified statement. What nobody trusted has stated is no edge; where one is missing
on the way back, the node says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from security.statements.provenance import Material, Role
from security.statements.statement import STRONG, Subject
from security.verdict import Verdict
from security.verify.verified_statements import Origin, VerifiedStatements

#: Materials that other runs have made, so that the way goes on behind them.
_MADE = (Role.OUT, Role.ORIGIN)


@dataclass(frozen=True, slots=True)
class Node:
    """Something with a digest.

    Attributes:
        id: the digest that identifies it.
        kind: its role to the run that used it; ``out`` for what a run made.
        verdict: ``failed`` where nothing trusted says what made it, ``warned`` where it is in no
            commit and no dataset.
        detail: what there is to say of it, on one line.
    """

    id: str
    kind: str
    name: str
    digest: Mapping[str, str]
    verdict: Verdict = Verdict.PASSED
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """From what was used to what was made, with the digest of the statement that says so."""

    source: str
    target: str
    statement: str


@dataclass
class Lineage:
    """Nodes by their digests, and edges, in the order in which they were found."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str], Edge] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    def add(self, node: Node) -> None:
        """Add a node; what was made by a run outranks what was only used."""
        known = self.nodes.get(node.id)
        if known is None or (known.kind != "out" and node.kind == "out"):
            self.nodes[node.id] = node

    def merge(self, other: Lineage) -> None:
        """Add all of another lineage."""
        for node in other.nodes.values():
            self.add(node)
        self.edges = {**other.edges, **self.edges}
        self.origins |= other.origins

    def connect(self, source: str, target: str, statement: str) -> None:
        """Add an edge, once; a run that only copies leads from a digest to itself: to no other."""
        if source == target:
            return
        self.edges.setdefault((source, target), Edge(source, target, statement))

    @property
    def unproven(self) -> list[Node]:
        """The nodes of which nothing trusted says what made them."""
        return [node for node in self.nodes.values() if node.verdict is Verdict.FAILED]

    def of_kind(self, kind: str) -> list[Node]:
        """The nodes of a kind."""
        return [node for node in self.nodes.values() if node.kind == kind]


def identify(digests: Mapping[str, str]) -> str:
    """Return the digest of a set that identifies."""
    return next(digests[name] for name in STRONG if name in digests)


def trace(statements: VerifiedStatements, subject: Subject) -> Lineage:
    """Go back from something to commits and data.

    1. What a trusted run made, by its verified provenance, leads to all that the run has used.
    2. A file that lies in a directory that a run made, by its verified listing, leads to that.
    3. What a run used as another's out, and of which no run is known, is unproven.
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
            found.add(Node(digest, "out", one.name, one.digest, detail=f"lies in {whole.name}"))
            found.connect(directory, digest, verified.bundle.sha256)
            waiting.append((whole, True))
        if must and not directories:  # 3
            found.nodes[digest] = _unproven(one, digest, statements)
    return found


def _enter(found: Lineage, made: Subject, origin: Origin) -> None:
    """Add what a run made, and all that it has used."""
    digest, statement = identify(made.digest), origin.verified.bundle.sha256
    run = origin.provenance
    name = next((o.name for o in run.outs if digest in o.digest.values()), made.name)
    detail = f"{run.stage} {run.action.value}, signed by {origin.verified.identity}"
    same = [one.name for one in run.materials if identify(one.digest) == digest]
    detail += f"; the same bytes as {', '.join(same)}" if same else ""
    found.nodes[digest] = Node(digest, "out", name, made.digest, detail=detail)
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
        "in no commit and no dataset" if local else material.uri,
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
    """Go on from something to all that was made from it.

    1. A run that has used it, by its verified provenance, leads to all its outs.
    2. A file leads to the directories that it lies in, by their verified listings.
    """
    found = Lineage({start.id: start})
    waiting, seen = [start.id], {start.id}
    while waiting:
        digest = waiting.pop()
        for origin in statements.made_from(digest):  # 1
            waiting += _follow(found, digest, origin, seen)
        for directory, verified in statements.directories_with(digest):  # 2
            whole = verified.statement.subjects[0]
            found.add(Node(directory, "out", whole.name, whole.digest, detail="holds it"))
            found.connect(digest, directory, verified.bundle.sha256)
            if directory not in seen:
                seen.add(directory)
                waiting.append(directory)
    return found


def _follow(found: Lineage, digest: str, origin: Origin, seen: set[str]) -> list[str]:
    """Add a run's outs; return those that are new."""
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
