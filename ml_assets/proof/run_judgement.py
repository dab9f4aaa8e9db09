"""A run's judgement: what gates say of what it was about, and the proof of what that comes to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from ml_assets.gating.evaluation import Gating
from ml_assets.proof.sign_run import Conclusion
from ml_assets.proof.store import Proofs
from resources.dvc.cache.content import Content
from security.policy.decision import CaseDecision


def join_judged(known: Sequence[CaseDecision], new: Sequence[CaseDecision]) -> list[CaseDecision]:
    """Return the last word on each thing that was decided."""
    joined = {(one.decision.gate, one.decision.subject): one for one in known}
    return list((joined | {(one.decision.gate, one.decision.subject): one for one in new}).values())


def judge_run(gating: Gating, locations: Collection[str] | None, jobs: int) -> list[CaseDecision]:
    """Judge what a run has to answer for.

    Args:
        locations: of its outs; None: everything that the environment asks for.
        jobs: how many gates judge at once.
    """
    if locations is not None:
        return list(gating.decide_all(gating.cases_of_run(locations), jobs))
    cases = gating.cases()
    return [*gating.absent(cases), *gating.decide_all(cases, jobs)]


def prove_run(
    gating: Gating,
    proofs: Proofs,
    judged: Sequence[CaseDecision],
    contents: Mapping[str, Content],
    on_notice: Callable[[str], None],
) -> list[str]:
    """Sign what a run comes to, of the outs whose making is attested; return the signed models.

    Args:
        contents: of outs whose bytes are here, by location.

    Raises:
        ResourceError, SecurityError: something cannot be signed, or not be kept.
    """
    with proofs.records() as records:
        outs = {
            location: content
            for location, content in contents.items()
            if records.origin(content.sha256)
        }
    signed: list[str] = []
    if outs:
        conclusion = Conclusion(gating.project, proofs, gating, on_notice)
        signed = conclusion.prove(judged, outs)
    proofs.conclude()
    return signed
