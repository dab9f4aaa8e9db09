"""The verifier: all steps between a file and a verdict, offline, from signed statements alone.

``Verifier(statements, rules).verify(subject)`` takes these steps, in this order. Each names the
attack that it stops:

1. bytes: the subject's files were read, and have its digest. A digest without files is a warning:
   other bytes could be used under its name.
2. signature: a trusted signer signed a model, over exactly these files. Stops a model that was
   changed, renamed, extended or taken from elsewhere.
3. provenance: a trusted run wrote these bytes. Stops bytes that no run of a stage produced.
4. inputs: each input has trusted provenance too, back to commits and datasets. Stops a poisoned
   intermediate file.
5. commit: the code that ran is committed. Shows code that nobody can review.
6. gates: the environment's gates let the subject pass, by today's policy. Stops a model that was
   never checked, that has findings, or that was let through by an earlier, weaker policy.

   a. Find the newest trusted decision for the environment. Without one, the gates never ran.
   b. Verify each gate result that it names, and use those of the subject and of the source. A
      result of another model does not count.
   c. Apply today's policy to each result. The decision's own verdict is not used.
   d. Require a result of each gate that the policy needs. Stops a decision that leaves one out.
   e. Block on each result that blocks. A gate that could not check is no pass.

The verdict is ``failed`` where a step fails, ``error`` where a step could not be taken, and only
otherwise ``passed`` or ``warned``. Nothing here needs a network, a clock, Git or a configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from security.content.file_mode import ModeError, judge_modes
from security.content.file_tree import FileTree
from security.content.model_name import looks_like_model
from security.errors import SecurityError
from security.policy.decision import Decision
from security.signing.bundle import Bundle
from security.signing.model_signature import PREDICATE as MODEL_SIGNATURE
from security.signing.model_signature import root_digests, verify_model_signature
from security.statements import gate_result
from security.statements.gate_result import GateResult, parse_result
from security.statements.provenance import Role
from security.verdict import Verdict, combine
from security.verify import verification_summary
from security.verify.lineage import Lineage, identify, trace
from security.verify.slsa_level import find_level
from security.verify.verification import Verification
from security.verify.verification_rules import VerificationRules
from security.verify.verification_subject import VerificationSubject
from security.verify.verification_summary import Summary, parse_summary
from security.verify.verified_statements import Origin, VerifiedStatements

_SHOWN = 3  # names in a step's detail


class Verifier:
    """Verifies subjects by the statements of one ledger and the rules of one environment."""

    def __init__(self, statements: VerifiedStatements, rules: VerificationRules) -> None:
        self._statements = statements
        self._rules = rules

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
            _check_inputs(found)  # 4
            _check_commit(found)  # 5
        self._check_gates(found, is_model=is_model)  # 6
        return found

    def _is_model(self, subject: VerificationSubject) -> bool:
        """Return whether a subject is a model; a copy under another name is one as well."""
        origin = self._statements.origin(identify(subject.subject.digest))
        outs = [one.name for one in origin.provenance.outs] if origin is not None else []
        if subject.is_model or any(map(looks_like_model, (subject.subject.name, *outs))):
            return True
        roots = root_digests(subject.tree.files) if subject.tree is not None else ()
        return any(self._statements.about(root, MODEL_SIGNATURE) for root in roots)

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
            found.note("signature", Verdict.PASSED, f"OpenSSF Model Signing by {verified.identity}")
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
            found.note("provenance", Verdict.PASSED, detail)
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
        summary = self._find_summary(digest)  # a
        if summary is None:
            name = self._rules.environment.name
            found.note("gates", Verdict.FAILED, f"no trusted decision for environment {name}")
            return
        try:
            results = list(self._find_results(summary, digest))  # b
        except SecurityError as error:
            found.note("gates", Verdict.ERROR, error.message)
            return
        decisions = [self._rules.decide(result) for result in results]  # c
        missing = self._rules.find_missing(results, is_model=is_model)  # d
        blocking = [one for one in decisions if one.blocks]
        if missing:
            found.note("gates", Verdict.ERROR, f"no result of gates: {', '.join(missing)}")
        elif blocking:  # e
            first = blocking[0]
            reason = f"{first.gate} of {first.subject}: {first.reason}"
            found.note("gates", combine(one.verdict for one in blocking), reason)
        else:
            _note_gates(found, decisions, self._rules.environment.name)

    def _find_summary(self, digest: str) -> Summary | None:
        """Return the newest trusted decision about a digest for the environment."""
        found: list[Summary] = []
        for verified in self._statements.about(digest, verification_summary.PREDICATE):
            try:
                summary = parse_summary(verified.statement)
            except SecurityError as error:
                self._statements.refused[verified.bundle.sha256] = error.message
                continue
            if summary.environment == self._rules.environment.name:
                found.append(summary)
        return max(found, key=lambda one: one.at, default=None)

    def _find_results(self, summary: Summary, digest: str) -> Iterator[GateResult]:
        """Yield the verified results that a decision names, of the subject and of the source."""
        for ground in summary.grounds:
            verified = self._statements.find(ground)
            if verified is None:
                reason = self._statements.refused[ground]
                raise SecurityError(f"gate result unavailable: {reason}", "")
            if verified.statement.predicate_type != gate_result.PREDICATE:
                continue
            result = parse_result(verified.statement.payload)
            if result.binding.subject == "source" or result.binding.sha256 == digest:
                yield result


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


def _check_inputs(found: Verification) -> None:
    """Take step 4."""
    lineage = found.lineage
    others = [node for node in lineage.nodes.values() if node.id != identify(found.subject.digest)]
    unproven = [f"{one.name}: {one.detail}" for one in others if one.verdict is Verdict.FAILED]
    local = [node.name for node in others if node.verdict is Verdict.WARNED]
    counted = f"{len(others)} inputs of {len(lineage.origins)} runs"
    data = len(lineage.of_kind(Role.DATA.value))
    counted += f", {data} of them datasets" if data else ""
    if unproven:
        found.note("inputs", Verdict.FAILED, _shorten(unproven))
    elif local:
        detail = f"{counted}; neither committed nor a dataset: {_shorten(local)}"
        found.note("inputs", Verdict.WARNED, detail)
    else:
        found.note("inputs", Verdict.PASSED, counted)


def _check_commit(found: Verification) -> None:
    """Take step 5."""
    runs = [origin.provenance for origin in found.lineage.origins.values()]
    uncommitted = sorted({path for run in runs for path in run.conditions.uncommitted})
    commits = sorted({identify(one.digest) for run in runs for one in run.of_role(Role.COMMIT)})
    if not all(run.of_role(Role.COMMIT) for run in runs):
        found.note("commit", Verdict.WARNED, "a run without a commit")
    elif uncommitted:
        detail = f"uncommitted changes during the run: {_shorten(uncommitted)}"
        found.note("commit", Verdict.WARNED, detail)
    else:
        found.note("commit", Verdict.PASSED, ", ".join(one[:12] for one in commits))


def _note_gates(found: Verification, decisions: Sequence[Decision], environment: str) -> None:
    """Note that no gate blocks."""
    warned = dict.fromkeys(one.gate for one in decisions if one.verdict is not Verdict.PASSED)
    names = ", ".join(dict.fromkeys(one.gate for one in decisions))
    detail = f"policy of {environment}: {f'{names} pass' if names else 'no gates required'}"
    detail += f"; with warnings: {', '.join(warned)}" if warned else ""
    found.note("gates", Verdict.WARNED if warned else Verdict.PASSED, detail)


def _shorten(names: Sequence[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
