"""The verification: whether some bytes may be used for something, step by step, from proofs alone.

1. bytes: what is there was read, all of it, once.
2. signature: a model has the signature of somebody trusted, over just these files.
3. provenance: a trusted run states that it wrote these bytes; its statement is verified.
4. inputs: so is what each of its inputs came from, and theirs, back to commits and data.
5. commit: the code that ran is in a commit.
6. gates: a trusted decision for the environment names results; each is verified, and today's
   policy, applied to what they found, lets it pass. A result that the policy needs and that is not
   among them blocks. What an earlier decision came to is not believed.

What follows from the steps is a verdict: ``failed`` where one says no, ``error`` where one could
not be made, and only otherwise ``passed`` or ``warned``.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from security.errors import SecurityError
from security.policy.decision import Decision, evaluate
from security.policy.policy import Environment
from security.policy.rule import Level
from security.policy.waiver import Waiver
from security.statements import gate_result
from security.statements.gate_result import GateResult, parse_result
from security.statements.provenance import Role
from security.statements.statement import Subject
from security.verdict import Verdict, combine
from security.verify import verification_summary
from security.verify.lineage import Lineage, identify, trace
from security.verify.slsa_level import SlsaLevel, find_level
from security.verify.verification_summary import Summary, parse_summary
from security.verify.verified_statements import Origin, Records


@dataclass(frozen=True, slots=True)
class Step:
    """What one step came to."""

    name: str
    verdict: Verdict
    detail: str


@dataclass
class Verification:
    """What is known of a subject.

    Attributes:
        lineage: the way back that the steps were made on.
    """

    subject: Subject
    steps: list[Step] = field(default_factory=list)
    lineage: Lineage = field(default_factory=Lineage)
    level: SlsaLevel = field(default_factory=lambda: find_level(None, None))

    @property
    def verdict(self) -> Verdict:
        """What follows from the steps."""
        return combine(step.verdict for step in self.steps)

    def note(self, name: str, verdict: Verdict, detail: str) -> None:
        """Add what a step came to."""
        self.steps.append(Step(name, verdict, detail))


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of gates.

    Attributes:
        environment: the policy's rules.
        policy: sha256 of the policy's text.
        gates: known by their names.
        needed: gates that judge every subject of this kind, so that they have a result.
        today: decides which waivers work, and how old advisories are.
    """

    environment: Environment
    policy: str
    waivers: Sequence[Waiver]
    gates: frozenset[str]
    needed: frozenset[str]
    today: datetime.date


def verify_origin(found: Verification, records: Records) -> None:
    """Make steps 3 to 5."""
    digest = identify(found.subject.digest)
    found.lineage = trace(records, found.subject)
    origin = found.lineage.origins.get(digest) or _through_directory(found.lineage, digest)
    _note_provenance(found, records, digest, origin)  # 3
    if origin is None:
        return
    found.level = find_level(origin.provenance, origin.verified.identity)
    _note_inputs(found, digest)  # 4
    _note_commit(found)  # 5


def _through_directory(lineage: Lineage, digest: str) -> Origin | None:
    """Return where the directory comes from that a file lies in."""
    into = [edge.source for edge in lineage.edges.values() if edge.target == digest]
    return next((lineage.origins[one] for one in into if one in lineage.origins), None)


def _note_provenance(
    found: Verification, records: Records, digest: str, origin: Origin | None
) -> None:
    if origin is not None:
        run = origin.provenance
        detail = (
            f"{run.stage} {run.action.value} on {run.finished:%Y-%m-%d %H:%M} UTC,"
            f" stated by {origin.verified.identity}"
        )
        found.note("provenance", Verdict.PASSED, detail)
        return
    about = records.index.about(digest)
    reasons = [records.refused[one] for one in about if one in records.refused]
    unreadable = any(one in records.unreadable for one in about)
    detail = reasons[0] if reasons else "nothing trusted says what made these bytes"
    found.note("provenance", Verdict.ERROR if unreadable else Verdict.FAILED, detail)


def _note_inputs(found: Verification, digest: str) -> None:
    lineage = found.lineage
    others = [node for node in lineage.nodes.values() if node.id != digest]
    unproven = [node for node in lineage.unproven if node.id != digest]
    local = [node for node in others if node.verdict is Verdict.WARNED]
    if unproven:
        shown = ", ".join(f"{node.name}: {node.detail}" for node in unproven[:3])
        more = f", and {len(unproven) - 3} more" if len(unproven) > 3 else ""
        found.note("inputs", Verdict.FAILED, f"{shown}{more}")
        return
    runs = len(lineage.origins)
    data = len(lineage.of_kind(Role.DATA.value))
    counted = f"{len(others)} inputs of {runs} runs"
    counted += f", {data} of them datasets" if data else ""
    if local:
        names = ", ".join(node.name for node in local[:3])
        found.note("inputs", Verdict.WARNED, f"{counted}; in no commit and no dataset: {names}")
    else:
        found.note("inputs", Verdict.PASSED, counted)


def _note_commit(found: Verification) -> None:
    runs = [origin.provenance for origin in found.lineage.origins.values()]
    loose = sorted({path for run in runs for path in run.conditions.uncommitted})
    commits = sorted({identify(one.digest) for run in runs for one in run.of_role(Role.COMMIT)})
    if not all(run.of_role(Role.COMMIT) for run in runs):
        found.note("commit", Verdict.WARNED, "a run was made of no commit")
    elif loose:
        shown = ", ".join(loose[:3])
        found.note("commit", Verdict.WARNED, f"not as in the commit when it ran: {shown}")
    else:
        found.note("commit", Verdict.PASSED, ", ".join(one[:12] for one in commits))


def verify_gates(found: Verification, records: Records, demand: Demand) -> None:
    """Make step 6.

    a. The newest trusted decision about the subject for the environment; none: nothing was judged.
    b. Each result that it names is verified, and is about the subject or about its source.
    c. Each is evaluated again, by today's policy on today's date.
    d. Each gate that the environment requires has a result.
    e. A result that blocks, blocks: what could not be judged is no pass.
    """
    digest = identify(found.subject.digest)
    summary = _newest_summary(records, digest, demand.environment.name)  # a
    if summary is None:
        name = demand.environment.name
        found.note("gates", Verdict.FAILED, f"no trusted decision for {name} names these bytes")
        return
    try:
        results = list(_results(records, summary, digest))  # b
    except SecurityError as error:
        found.note("gates", Verdict.ERROR, error.message)
        return
    decisions = [_evaluate(result, demand) for result in results]  # c
    missing = _missing(demand, results)  # d
    verdicts = [one.verdict for one in decisions if one.blocks]
    if missing:
        found.note("gates", Verdict.ERROR, f"no result of: {', '.join(missing)}")
    elif verdicts:
        blocking = next(one for one in decisions if one.blocks)
        reason = f"{blocking.gate} of {blocking.subject}: {blocking.reason}"
        found.note("gates", combine(verdicts), reason)
    else:
        _note_passed(found, decisions, demand)


def _note_passed(found: Verification, decisions: Sequence[Decision], demand: Demand) -> None:
    warned = [one.gate for one in decisions if one.verdict is not Verdict.PASSED]
    names = ", ".join(dict.fromkeys(one.gate for one in decisions)) or "none is asked for"
    detail = f"{names}: as {demand.environment.name} asks"
    if warned:
        detail += f"; with warnings: {', '.join(dict.fromkeys(warned))}"
    found.note("gates", Verdict.WARNED if warned else Verdict.PASSED, detail)


def _newest_summary(records: Records, digest: str, environment: str) -> Summary | None:
    found: list[Summary] = []
    for verified in records.about(digest, verification_summary.PREDICATE):
        try:
            summary = parse_summary(verified.statement)
        except SecurityError as error:
            records.refused[verified.bundle.sha256] = error.message
            continue
        if summary.environment == environment:
            found.append(summary)
    return max(found, key=lambda one: one.at, default=None)


def _results(records: Records, summary: Summary, digest: str) -> Iterable[GateResult]:
    for ground in summary.grounds:
        verified = records.find(ground)
        if verified is None:
            reason = records.refused[ground]
            raise SecurityError(f"a result that was judged by is not to be had: {reason}", "")
        if verified.statement.predicate_type != gate_result.PREDICATE:
            continue
        result = parse_result(verified.statement.payload)
        if result.binding.subject == "source" or result.binding.sha256 == digest:
            yield result


def _evaluate(result: GateResult, demand: Demand) -> Decision:
    return evaluate(
        demand.environment.rule(result.binding.gate),
        result.binding.gate,
        result.binding.subject,
        result.report,
        None,
        demand.waivers,
        demand.today,
    )


def _missing(demand: Demand, results: Sequence[GateResult]) -> list[str]:
    """Return gates without a result: required ones, and those that had something to judge.

    Whether there was anything for a gate that is only asked for if present, whoever decided knew.
    """
    there = {result.binding.gate for result in results}
    levels = {gate: demand.environment.rule(gate).level for gate in demand.gates}
    needed = {gate for gate, level in levels.items() if level is Level.REQUIRED}
    needed |= {gate for gate in demand.needed if levels.get(gate) is Level.IF_PRESENT}
    return sorted(needed - there)
