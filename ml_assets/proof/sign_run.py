"""The conclusion: what a run comes to, as signed statements that others can verify.

1. Each result of a gate that was judged by is signed, in our words and, where they fit, in-toto's.
2. A verification summary names the outs that the policy lets pass for the environment, and one
   those that it does not; both name the results that this follows from. Of outs of which a gate
   that counts could not judge there is none.
3. Each model that passed is signed (OpenSSF Model Signing). One with a permission bit that nothing
   of a model may have is not, and is in no summary; when all else is done, that is an error.
4. The environment and each model that passed get a bill of materials. Where one cannot be made that
   is said, and nothing is claimed.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from ml_assets.gating.evaluation import NOTHING, Gating
from ml_assets.project.project import Project
from ml_assets.proof.attestation import identify_content
from ml_assets.proof.bom.bill_statements import state_environment, state_model
from ml_assets.proof.store import Proofs
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.errors import ResourceError
from security.content.file_mode import ModeError, judge_modes, read_modes
from security.errors import SecurityError
from security.gates.interface import Kind
from security.gates.registry import model_readers
from security.policy.decision import CaseDecision, Decision
from security.reports.in_toto import write_attestation
from security.signing.model_signature import write_model_statement
from security.statements.gate_result import GateResult, write_result
from security.statements.statement import Statement, Subject, parse_statement
from security.verdict import Verdict, combine
from security.verify.slsa_level import find_level
from security.verify.verification_summary import Summary, write_summary


class Conclusion:
    """What one run comes to."""

    def __init__(
        self, project: Project, proofs: Proofs, gating: Gating, on_notice: Callable[[str], None]
    ) -> None:
        self._project = project
        self._proofs = proofs
        self._gating = gating
        self._on_notice = on_notice

    def prove(self, judged: Sequence[CaseDecision], outs: Mapping[str, Content]) -> list[str]:
        """Sign all of it; return the models that were signed.

        Args:
            judged: what was decided for the environment, for the source and for outs.
            outs: what they hold, by location.

        Raises:
            ModeError: a model has a permission bit that it may not have; all others are signed.
            ResourceError, SecurityError: something cannot be signed, or not be kept.
        """
        results = [  # 1
            (one, self._sign_result(one.result, one.decision))
            for one in judged
            if one.result is not None
        ]
        # What is asked for and has nothing to judge is about no out: it stands against all.
        source = [one for one in judged if self._is_source(one) or one.decision.subject == NOTHING]
        by_verdict: dict[Verdict, list[str]] = {}
        for location in outs:
            own = [one for one in judged if self._is_about(one, location)]
            by_verdict.setdefault(_verdict([*source, *own]), []).append(location)
        passed = by_verdict.get(Verdict.PASSED, [])
        models = [
            one for one in passed if one in self._gating.kit.models and self._is_judged(one, judged)
        ]
        refused = self._refuse(models, outs)
        by_verdict[Verdict.PASSED] = [one for one in passed if one not in refused]
        for verdict, locations in by_verdict.items():  # 2
            if locations and verdict is not Verdict.ERROR:
                self._summarize(verdict, locations, outs, results)
        signed = [one for one in models if one not in refused]
        for location in signed:  # 3
            self._proofs.add(model_statement(location, outs[location]))
        self._state_bills(signed, outs)  # 4
        for error in refused.values():
            raise error
        return signed

    def _refuse(self, models: Sequence[str], outs: Mapping[str, Content]) -> dict[str, ModeError]:
        """Return which models have permission bits that nothing of a model may have."""
        refused: dict[str, ModeError] = {}
        for location in models:
            path = Path(self._gating.checkout.path(location))
            error = judge_modes(location, read_modes(path, files_of(outs[location])))
            if error is not None:
                refused[location] = error
        return refused

    def _state_bills(self, models: Sequence[str], outs: Mapping[str, Content]) -> None:
        checkout = self._gating.checkout
        checkout.forget_locks()  # the run has written them since
        with self._proofs.records() as records:
            origins = {one: records.origin(outs[one].sha256) for one in outs}
        known = [one for one in origins.values() if one is not None]
        try:
            if known:
                newest = max(known, key=lambda one: one.provenance.finished)
                self._add(state_environment(self._project, newest.provenance))
            for location in models:
                origin = origins[location]
                links = (origin.verified.bundle.sha256,) if origin is not None else ()
                self._add(state_model(self._project, checkout, location, outs[location], links))
        except (ResourceError, SecurityError) as error:
            self._on_notice(f"no bill of materials: {error.message}: {error.hint}")

    def _add(self, statement: Statement | None) -> None:
        if statement is not None:
            self._proofs.add(statement)

    def _is_source(self, judged: CaseDecision) -> bool:
        return self._gating.kit.kinds[judged.decision.gate] is Kind.SOURCE

    def _is_about(self, judged: CaseDecision, location: str) -> bool:
        return not self._is_source(judged) and judged.decision.subject == location

    def _is_judged(self, location: str, judged: Sequence[CaseDecision]) -> bool:
        """Whether the gate that reads model files has judged a model: none is signed unread."""
        return any(
            one.decision.gate in model_readers() and one.result is not None
            for one in judged
            if self._is_about(one, location)
        )

    def _sign_result(self, result: GateResult, decision: Decision) -> str:
        digest = self._proofs.add(parse_statement(write_result(result)))
        other = write_attestation(result, decision)
        if other is not None:
            self._proofs.add(other)
        return digest

    def _summarize(
        self,
        verdict: Verdict,
        locations: Sequence[str],
        outs: Mapping[str, Content],
        results: Sequence[tuple[CaseDecision, str]],
    ) -> None:
        policy, environment = self._gating.rules.policy, self._gating.environment
        grounds = [
            digest
            for one, digest in results
            if self._is_source(one) or one.decision.subject in locations
        ]
        with self._proofs.records() as records:
            origins = [records.origin(outs[location].sha256) for location in locations]
        levels = [
            find_level(one.provenance, one.verified.identity) if one else find_level(None, None)
            for one in origins
        ]
        summary = Summary(
            outs=tuple(Subject(one, identify_content(outs[one])) for one in locations),
            environment=environment.name,
            policy=policy.sha256,
            passed=verdict is Verdict.PASSED,
            grounds=tuple(dict.fromkeys(grounds)),
            at=datetime.datetime.now(datetime.UTC),
            version=version("ml-assets"),
        )
        self._proofs.add(write_summary(summary, levels))


def conclude(
    project: Project,
    checkout: Checkout,
    proofs: Proofs,
    locations: Sequence[str],
    on_notice: Callable[[str], None],
) -> None:
    """Judge the source and the models among some outs, as a run does, and sign what that comes to.

    Raises:
        ResourceError, SecurityError: something cannot be signed, or not be kept.
    """
    read = {one: checkout.read(one) for one in locations if "://" not in one}
    with proofs.records() as records:
        outs = {
            one: content
            for one, content in read.items()
            if content is not None and records.origin(content.sha256) is not None
        }
    if not outs:
        return
    gating = Gating(project, checkout, on_notice=on_notice)
    cases = gating.required_of_source()
    for location in outs:
        if location in gating.kit.models:
            cases += gating.required_of(location)
    judged = list(gating.decide_all(cases, project.settings.capacity))
    Conclusion(project, proofs, gating, on_notice).prove(judged, outs)
    proofs.conclude()


def _verdict(judged: Sequence[CaseDecision]) -> Verdict:
    """Return what decisions come to for who needs to use the thing: passed, failed or error."""
    blocking = [one.decision.verdict for one in judged if one.decision.blocks]
    return combine(blocking) if blocking else Verdict.PASSED


def model_statement(location: str, content: Content) -> Statement:
    """Return the statement that is signed of a model."""
    return write_model_statement(location.rpartition("/")[2], files_of(content))


def files_of(content: Content) -> dict[str, str]:
    """Return sha256 by path relative to a model; a file's own path is ``.``."""
    if content.entries is None:
        return {".": content.sha256}
    return {entry.path: entry.sha256 for entry in content.entries}
