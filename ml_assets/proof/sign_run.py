"""The ending of a run: judge the subjects of the run, then sign the results.

Every run ends here: of the command line, of Dagster in a working tree, and of a watched branch.

1. The gates judge the subjects of the run. Decisions made before its stages count as well.
2. Each gate result is signed, in our predicate and, where one fits, in an in-toto predicate.
3. A verification summary names the outs that the policy passes for the environment, another one the
   outs that it fails; both name the results and the policy's commit. Outs that a blocking gate
   could not judge get no summary.
4. Each model that passed, and that a run of this project made, is signed (OpenSSF Model Signing).
   Its declaration, its name or its content makes it a model (``model_content``). A model with a
   forbidden permission bit is not signed and in no summary; the run fails when everything else is
   signed.
5. The environment and each signed model get a bill of materials. A bill that cannot be made is
   reported, and nothing is claimed.
6. The outs are read once more. The run fails if one differs from what its stage wrote or from what
   was signed: a later stage or a process left behind has written it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ml_assets.gating.evaluation import NOTHING, Gating
from ml_assets.proof import out_contents
from ml_assets.proof.attestation import identify_content
from ml_assets.proof.run_decisions import find_unknown, join_decisions, judge_run
from ml_assets.proof.store import Proofs
from resources.dvc.cache.content import Content
from resources.errors import ResourceError
from security.content.file_mode import ModeError, judge_modes, read_modes
from security.errors import SecurityError
from security.gates.interface import Kind
from security.gates.registry import model_readers
from security.policy.decision import CaseDecision
from security.reports.in_toto import write_attestation
from security.statements.gate_result import write_result
from security.statements.statement import Statement, Subject, identify, parse_statement
from security.verdict import Verdict, combine
from security.verify.slsa_level import find_level
from security.verify.verification_summary import Summary, write_summary


@dataclass(frozen=True)
class SignedRun:
    """The ending of one run.

    Attributes:
        decisions: the last decision on each gate and subject.
        models: the locations of the signed models.
    """

    decisions: Sequence[CaseDecision]
    models: Sequence[str] = ()


def sign_run(
    gating: Gating,
    proofs: Proofs,
    locations: Collection[str],
    on_notice: Callable[[str], None],
    *,
    admitted: Sequence[CaseDecision] = (),
    whole: bool = False,
    always: bool = True,
    on_judged: Callable[[Sequence[CaseDecision]], None] = lambda _: None,
) -> SignedRun:
    """End a run whose stages have succeeded.

    Args:
        gating: the gating of the run's environment, with the rules at the start of the run.
        locations: the locations of the selected outs.
        admitted: the decisions made before the stages.
        whole: whether the run is for the whole graph.
        always: sign even if no stage ran and no gate judged since the last ending.
        on_judged: receives the decisions before anything is signed.

    Raises:
        ModeError: a model has a forbidden permission bit; everything else is signed.
        OutChangedError: an out is not the one that its stage wrote.
        ResourceError, SecurityError: a statement cannot be signed or stored.
    """
    ran = always or proofs.is_open
    unknown = find_unknown(gating, proofs, locations) if ran else ()
    new = judge_run(gating, locations, unknown, whole=whole)  # 1
    decisions = join_decisions(admitted, new)
    on_judged(decisions)
    gating.checkout.store.save()
    if not (ran or any(not one.cached for one in new)):
        out_contents.compare_outs(gating.checkout, locations, {})
        return SignedRun(decisions)
    outs = out_contents.read_attested(gating.checkout, proofs, locations)
    for text in out_contents.describe_unproven(gating.checkout, locations, gating.kit.models, outs):
        on_notice(text)
    models = sign_decisions(gating, proofs, decisions, outs, on_notice) if outs else []  # 2 to 5
    out_contents.compare_outs(gating.checkout, locations, outs)  # 6
    proofs.close()
    return SignedRun(decisions, models)


def sign_decisions(
    gating: Gating,
    proofs: Proofs,
    decisions: Sequence[CaseDecision],
    outs: Mapping[str, Content],
    on_notice: Callable[[str], None],
    unproven: str | None = None,
) -> list[str]:
    """Sign the decisions on some outs, their summaries and models; return the signed models.

    Args:
        decisions: the decisions for the environment, on the source and on outs.
        outs: the contents of the outs, by location.
        unproven: the reason to sign models that no run of this project made; None signs none.

    Raises:
        ModeError: a model has a forbidden permission bit; everything else is signed.
        ResourceError, SecurityError: a statement cannot be signed or stored.
    """
    return _Signing(gating, proofs, decisions, outs, on_notice, unproven).sign()


@dataclass(frozen=True)
class _Signing:
    """Signs decisions, summaries, models and bills of materials."""

    gating: Gating
    proofs: Proofs
    decisions: Sequence[CaseDecision]
    outs: Mapping[str, Content]
    on_notice: Callable[[str], None]
    unproven: str | None

    def sign(self) -> list[str]:
        """Sign everything; return the signed models."""
        results = self._sign_results()  # 2
        by_verdict: dict[Verdict, list[str]] = {}
        for location in self.outs:
            by_verdict.setdefault(self._decide(location), []).append(location)
        passed = by_verdict.get(Verdict.PASSED, [])
        weak = self._find_weak()
        models = [one for one in passed if self._is_judged_model(one) and one not in weak]
        refused = self._refuse(models)
        by_verdict[Verdict.PASSED] = [one for one in passed if one not in refused]
        for verdict, locations in by_verdict.items():  # 3
            if locations and verdict is not Verdict.ERROR:
                self._summarize(verdict, locations, results)
        signed = [one for one in models if one not in refused]
        for location in signed:  # 4
            content = self.outs[location]
            self.proofs.add(out_contents.model_statement(location, content, self.unproven))
        self._state_bills(signed)  # 5
        for error in refused.values():
            raise error
        return signed

    def _find_weak(self) -> frozenset[str]:
        """Find and report the outs that no run of this project made, unless a reason is given."""
        if self.unproven is not None:
            return frozenset()
        with self.proofs.records() as records:
            origins = {one: records.origin(self._identify(one)) for one in self.outs}
        weak = {key: one for key, one in origins.items() if one is None or one.weakness}
        for location, origin in weak.items():
            why = origin.weakness if origin is not None else "no trusted provenance"
            run = out_contents.describe_run(self.gating.checkout, location)
            self.on_notice(f"not proven, so never signed: {location}: {why}; {run}")
        return frozenset(weak)

    def _sign_results(self) -> list[tuple[CaseDecision, str]]:
        """Sign all results; return each decision with the digest of its signed result."""
        signed: list[tuple[CaseDecision, str]] = []
        for one in self.decisions:
            if one.result is None:
                continue
            signed.append((one, self.proofs.add(parse_statement(write_result(one.result)))))
            other = write_attestation(one.result, one.decision)
            if other is not None:
                self.proofs.add(other)
        return signed

    def _decide(self, location: str) -> Verdict:
        """Return the verdict on an out: passed, failed or error.

        The source counts for every out, and so does a required gate that had nothing to judge.
        """
        blocking = [
            one.decision.verdict
            for one in self.decisions
            if one.decision.blocks
            and (
                self._is_source(one)
                or one.decision.subject == NOTHING
                or self._is_about(one, location)
            )
        ]
        return combine(blocking) if blocking else Verdict.PASSED

    def _is_source(self, judged: CaseDecision) -> bool:
        return self.gating.kit.kinds[judged.decision.gate] is Kind.SOURCE

    def _is_about(self, judged: CaseDecision, location: str) -> bool:
        return not self._is_source(judged) and judged.decision.subject == location

    def _is_judged_model(self, location: str) -> bool:
        """Whether an out is a model that the model-file gate has read.

        Its declaration, its name or its content says that it is one.
        """
        named = location in self.gating.kit.models
        return any(
            one.result is not None and (named or one.result.report.has_models)
            for one in self.decisions
            if one.decision.gate in model_readers() and self._is_about(one, location)
        )

    def _refuse(self, models: Sequence[str]) -> dict[str, ModeError]:
        """Return the models that have a forbidden permission bit, each with its error."""
        refused: dict[str, ModeError] = {}
        for location in models:
            path = Path(self.gating.checkout.path(location))
            error = judge_modes(
                location, read_modes(path, out_contents.files_of(self.outs[location]))
            )
            if error is not None:
                refused[location] = error
        return refused

    def _summarize(
        self,
        verdict: Verdict,
        locations: Sequence[str],
        results: Sequence[tuple[CaseDecision, str]],
    ) -> None:
        rules = self.gating.rules
        grounds = [
            digest
            for one, digest in results
            if self._is_source(one) or one.decision.subject in locations
        ]
        with self.proofs.records() as records:
            origins = [records.origin(self._identify(location)) for location in locations]
        levels = [
            find_level(one.provenance, one.verified.identity) if one else find_level(None, None)
            for one in origins
        ]
        summary = Summary(
            outs=tuple(Subject(one, identify_content(self.outs[one])) for one in locations),
            environment=self.gating.environment.name,
            policy=rules.policy.sha256,
            commit=rules.commit,
            passed=verdict is Verdict.PASSED,
            grounds=tuple(dict.fromkeys(grounds)),
            at=datetime.datetime.now(datetime.UTC),
            version=version("ml-assets"),
            project=tuple(sorted(self.proofs.project_names)),
        )
        self.proofs.add(write_summary(summary, levels))

    def _state_bills(self, models: Sequence[str]) -> None:
        from ml_assets.proof.bom.bill_statements import state_environment, state_model

        project, rules, checkout = self.gating.project, self.gating.rules, self.gating.checkout
        with self.proofs.records() as records:
            origins = {one: records.origin(self._identify(one)) for one in self.outs}
        known = [one for one in origins.values() if one is not None]
        try:
            if known:
                newest = max(known, key=lambda one: one.provenance.finished)
                self._add(state_environment(project, rules, newest.provenance))
            for location in models:
                origin = origins[location]
                links = (origin.verified.bundle.sha256,) if origin is not None else ()
                self._add(state_model(project, checkout, location, self.outs[location], links))
        except (ResourceError, SecurityError) as error:
            self.on_notice(f"no bill of materials: {error.message}: {error.hint}")

    def _identify(self, location: str) -> str:
        return identify(identify_content(self.outs[location]))

    def _add(self, statement: Statement | None) -> None:
        if statement is not None:
            self.proofs.add(statement)
