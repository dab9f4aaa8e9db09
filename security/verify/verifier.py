"""The verifier: all steps between a file and a verdict, offline, from signed statements alone.

``Verifier(statements, rules).verify(subject)`` takes these steps, in this order. Each names the
attack that it stops:

1. bytes: the subject's files were read, and have its digest. A digest without files is a warning:
   other bytes could be used under its name.
2. signature: a trusted signer signed a model, over exactly these files. Stops a model that was
   changed, renamed, extended or taken from elsewhere.
3. provenance: a trusted run of this project wrote these bytes. Stops bytes that no run of a stage
   produced: from another project, or restored from a cache that somebody filled.
4. inputs: each input has trusted provenance too, back to commits and datasets, and none changed
   while it was read. Stops a poisoned intermediate file.
5. commit: the code that ran is committed, in this repository. Shows code that nobody can review.
6. gates: the environment's gates let the subject pass, by today's policy. Stops a model that was
   never checked, that has findings, or that was let through by an earlier, weaker policy.

   a. Compare the clock with the newest trusted statement. Stops a clock that was set back to
      revive an expired waiver.
   b. Find the newest trusted decision for the environment. Without one, the gates never ran. A
      newer one that cannot be used is an error: it may be unfavourable.
   c. Verify each gate result that it names, and use those of the subject and of the source. A
      result of another model does not count.
   d. Apply today's policy to each result. The decision's own verdict is not used.
   e. Require a result of each gate that the policy needs. Stops a decision that leaves one out.
   f. Block on each result that blocks. A gate that could not check is no pass.

The verdict is ``failed`` where a step fails, ``error`` where a step could not be taken, and only
otherwise ``passed`` or ``warned``. Nothing here needs a network, a clock, Git or a configuration:
the time, and the commits of the repository, are arguments.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from security.content.file_mode import ModeError, judge_modes
from security.content.file_tree import FileTree
from security.content.model_name import looks_like_model
from security.errors import SecurityError
from security.policy.decision import Decision
from security.signing.bundle import Bundle
from security.signing.model_signature import PREDICATE as MODEL_SIGNATURE
from security.signing.model_signature import (
    find_unproven_reason,
    root_digests,
    verify_model_signature,
)
from security.statements import gate_result
from security.statements.gate_result import GateResult, parse_result
from security.statements.predicates import BILL
from security.statements.provenance import PREDICATE as PROVENANCE
from security.statements.statement import Statement, identify, list_identifiers
from security.verdict import Verdict, combine
from security.verify import verification_summary
from security.verify.lineage import Lineage, trace
from security.verify.lineage_steps import History, check_commit, check_inputs, run_again
from security.verify.newest_decision import find_decision
from security.verify.slsa_level import find_level
from security.verify.verification import Verification
from security.verify.verification_rules import VerificationRules
from security.verify.verification_subject import VerificationSubject
from security.verify.verification_summary import Summary
from security.verify.verified_statements import Origin, VerifiedStatements

#: Clocks of machines that sign and verify may differ by this much.
_SKEW = datetime.timedelta(hours=1)


class ClockError(SecurityError):
    """The clock is behind a trusted statement."""

    kind = "clock"


class Verifier:
    """Verifies subjects by the statements of one ledger and the rules of one environment.

    Args:
        history: the commits of the project's repository; None where there is no repository.
    """

    def __init__(
        self,
        statements: VerifiedStatements,
        rules: VerificationRules,
        history: History | None = None,
    ) -> None:
        self._statements = statements
        self._rules = rules
        self._history = history

    def verify(self, subject: VerificationSubject) -> Verification:
        """Take all steps. A failed step does not skip the later ones.

        Steps 4 and 5 follow the provenance that step 3 found; without one they are left out.
        """
        found = Verification(subject.subject)
        found.lineage = trace(self._statements, subject.subject)
        is_model = self._is_model(subject)
        _check_bytes(found, subject)  # 1
        if subject.tree is not None and (is_model or subject.signature is not None):
            self._check_signature(found, subject.tree, subject.signature)  # 2
        origin = _find_origin(found.lineage, identify(subject.subject.digest))
        self._check_provenance(found, origin)  # 3
        if origin is not None:
            found.level = find_level(origin.provenance, origin.verified.identity)
            check_inputs(found, self._rules)  # 4
            check_commit(found, self._history)  # 5
        self._check_gates(found, is_model=is_model)  # 6
        return found

    def _is_model(self, subject: VerificationSubject) -> bool:
        """Return whether a subject is a model; a copy under another name is one as well.

        The working tree alone does not decide: whoever can write it can change names and the graph.
        A trusted signature, gate result, bill or run about the digest makes it a model as well, and
        so does its content.
        """
        digest = identify(subject.subject.digest)
        names = {subject.subject.name, *self._list_names(digest)}
        if subject.is_model or names & subject.models or any(map(looks_like_model, names)):
            return True
        roots = root_digests(subject.tree.files) if subject.tree is not None else ()
        return (
            any(self._statements.about(root, MODEL_SIGNATURE) for root in roots)
            or self._is_judged_model(digest)
            or subject.holds_model()
        )

    def _list_names(self, digest: str) -> Iterator[str]:
        """Yield the names of a digest in trusted provenance and decisions."""
        for kind in (PROVENANCE, verification_summary.PREDICATE):
            for verified in self._statements.about(digest, kind):
                for one in verified.statement.subjects:
                    if digest in list_identifiers(one.digest):
                        yield one.name

    def _is_judged_model(self, digest: str) -> bool:
        """Return whether a gate has judged a digest as a model, or a bill describes it as one."""
        digits = digest.removeprefix("dirHash:")  # the format of gate results has no algorithm
        for verified in self._statements.about(digits, gate_result.PREDICATE):
            try:
                result = parse_result(verified.statement.payload)
            except SecurityError:
                return True  # a trusted signer wrote it: without knowing what it says, be strict
            if result.binding.gate in self._rules.model_gates and result.report.has_models:
                return True
        return any(_describes_model(one.statement) for one in self._statements.about(digest, BILL))

    def _check_signature(self, found: Verification, tree: FileTree, given: Bundle | None) -> None:
        """Take step 2: one signature of these files has to verify."""
        name = found.subject.name.rpartition("/")[2]
        reasons: list[str] = []
        for one in [given] if given is not None else self._find_signatures(tree):
            try:
                bundle = self._statements.ledger.load(one) if isinstance(one, str) else one
                verified = verify_model_signature(bundle, self._statements.trust, name, tree)
            except ModeError as refused:  # no signature can help: say how to change the mode
                error = judge_modes(found.subject.name, tree.modes) or refused
                found.note("signature", Verdict.FAILED, f"{error.message}: {error.hint}")
                return
            except SecurityError as error:
                reasons.append(error.message)
                continue
            detail = f"OpenSSF Model Signing by {verified.identity}"
            unproven = find_unproven_reason(verified.statement)
            detail += f"; signed without provenance: {unproven}" if unproven else ""
            found.note("signature", Verdict.PASSED, detail)
            return
        found.note("signature", Verdict.FAILED, next(iter(reasons), "no signature for these bytes"))

    def _find_signatures(self, tree: FileTree) -> list[str]:
        """Return the model signatures of these files in the ledger, newest first."""
        about = [
            self._statements.index.about(one, MODEL_SIGNATURE) for one in root_digests(tree.files)
        ]
        return [digest for digests in about for digest in reversed(digests)]

    def _check_provenance(self, found: Verification, origin: Origin | None) -> None:
        """Take step 3."""
        if origin is not None:
            run = origin.provenance
            when = f"{run.finished:%Y-%m-%d %H:%M} UTC"
            detail = (
                f"{run.stage} {run.action.value} on {when}, signed by {origin.verified.identity}"
            )
            if origin.weakness is None:
                found.note("provenance", Verdict.PASSED, detail)
            else:
                detail += f"; {origin.weakness}; run it: {run_again(run.stage)}"
                found.note("provenance", self._rules.weak_origin, detail)
            return
        about = self._statements.index.about(identify(found.subject.digest))
        refused = self._statements.refused
        reasons = [refused[one] for one in about if one in refused]
        unreadable = any(one in self._statements.unreadable for one in about)
        detail = next(iter(reasons), "no trusted provenance for these bytes")
        found.note("provenance", Verdict.ERROR if unreadable else Verdict.FAILED, detail)

    def _check_gates(self, found: Verification, *, is_model: bool) -> None:
        """Take step 6."""
        digest = identify(found.subject.digest)
        name = self._rules.environment.name
        try:
            self._check_clock()  # a
            summary = find_decision(self._statements, digest, name)  # b
            if summary is None:
                found.note("gates", Verdict.FAILED, f"no trusted decision for environment {name}")
                return
            results = list(self._find_results(summary, digest))  # c
        except SecurityError as error:
            detail = f"{error.message}; {error.hint}" if error.hint else error.message
            found.note("gates", Verdict.ERROR, detail)
            return
        is_unnamed = self._statements.is_unnamed(summary.project)
        if is_unnamed and self._rules.weak_origin is Verdict.FAILED:
            detail = f"the decision names no project; decide again: {run_again()}"
            found.note("gates", Verdict.FAILED, detail)
            return
        decisions = [self._rules.decide(result) for result in results]  # d
        missing = self._rules.find_missing(results, is_model=is_model)  # e
        blocking = [one for one in decisions if one.blocks]
        if missing:
            found.note("gates", Verdict.ERROR, f"no result of gates: {', '.join(missing)}")
        elif blocking:  # f
            first = blocking[0]
            reason = f"{first.gate} of {first.subject}: {first.reason}"
            found.note("gates", combine(one.verdict for one in blocking), reason)
        else:
            _note_gates(found, decisions, name)

    def _check_clock(self) -> None:
        """Refuse a clock that is behind the newest trusted statement: waivers would come back.

        Raises:
            ClockError: it is behind.
        """
        newest = self._statements.newest_time() if self._rules.now is not None else None
        if newest is not None and self._rules.now is not None and newest > self._rules.now + _SKEW:
            raise ClockError(
                f"the clock is behind a trusted statement of {newest:%Y-%m-%d %H:%M} UTC",
                "set the clock of this machine",
            )

    def _find_results(self, summary: Summary, digest: str) -> Iterator[GateResult]:
        """Yield the verified results that a decision names, of the subject and of the source."""
        digits = digest.removeprefix("dirHash:")
        for ground in summary.grounds:
            verified = self._statements.find(ground)
            if verified is None:
                reason = self._statements.refused[ground]
                raise SecurityError(f"gate result unavailable: {reason}", "")
            if verified.statement.predicate_type != gate_result.PREDICATE:
                continue
            result = parse_result(verified.statement.payload)
            names = {one.name for one in summary.outs if digest in list_identifiers(one.digest)}
            is_own = result.binding.sha256 == digits and result.binding.subject in names
            if result.binding.subject == "source" or is_own:
                yield result


def _describes_model(bill: Statement) -> bool:
    """Return whether a CycloneDX bill is the bill of a model."""
    value: object = bill.predicate
    for key in ("metadata", "component", "type"):
        value = value.get(key) if isinstance(value, dict) else None
    return value == "machine-learning-model"


def _check_bytes(found: Verification, subject: VerificationSubject) -> None:
    """Take step 1."""
    tree = subject.tree
    if tree is None:
        found.note("bytes", Verdict.WARNED, "digest only: no bytes were read")
    elif dict(found.subject.digest) != tree.digest:
        found.note("bytes", Verdict.FAILED, "the files have another digest than the subject")
    else:
        files = "1 file" if len(tree.files) == 1 else f"{len(tree.files)} files"
        found.note("bytes", Verdict.PASSED, f"{files}, {tree.size:,} bytes read")


def _find_origin(lineage: Lineage, digest: str) -> Origin | None:
    """Return the run that wrote a file, or that wrote the directory with the file."""
    if digest in lineage.origins:
        return lineage.origins[digest]
    above = [edge.source for edge in lineage.edges.values() if edge.target == digest]
    return next((lineage.origins[one] for one in above if one in lineage.origins), None)


def _note_gates(found: Verification, decisions: Sequence[Decision], environment: str) -> None:
    """Note that no gate blocks."""
    warned = dict.fromkeys(one.gate for one in decisions if one.verdict is not Verdict.PASSED)
    names = ", ".join(dict.fromkeys(one.gate for one in decisions))
    detail = f"policy of {environment}: {f'{names} pass' if names else 'no gates required'}"
    detail += f"; with warnings: {', '.join(warned)}" if warned else ""
    found.note("gates", Verdict.WARNED if warned else Verdict.PASSED, detail)
