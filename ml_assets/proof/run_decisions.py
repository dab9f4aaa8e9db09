"""The decisions at the end of a run: which outs the gates judge, and what they decide."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ml_assets.gating.evaluation import Gating
from ml_assets.gating.gate_run import run_gates
from ml_assets.proof.attestation import identify_content
from ml_assets.proof.store import Proofs
from security.policy.decision import CaseDecision
from security.policy.policy import MATERIALIZE
from security.statements.gate_result import PREDICATE as RESULT
from security.statements.statement import identify
from security.verify.verification_summary import PREDICATE as SUMMARY


def find_unknown(gating: Gating, proofs: Proofs, locations: Collection[str]) -> set[str]:
    """Return the outs that may be models by their content.

    Those that an earlier run has decided about are data, unless a gate has read them. A false index
    can only leave a model without a signature, which its verification notices.
    """
    checkout = gating.checkout
    read = {one: checkout.read(one) for one in locations if "://" not in one}
    found: set[str] = set()
    with proofs.records() as records:
        for location, content in read.items():
            if content is None:
                continue
            digest = identify(identify_content(content))
            decided = records.index.about(digest, SUMMARY)
            if not decided or records.index.about(digest.removeprefix("dirHash:"), RESULT):
                found.add(location)
    return found


def judge_run(
    gating: Gating, locations: Collection[str], unknown: Collection[str], *, whole: bool
) -> list[CaseDecision]:
    """Judge the subjects of a run.

    For ``materialize`` these are the source and the models among its outs, for any other
    environment all subjects of its gates, if the run is for the whole graph.

    Args:
        unknown: the locations of outs that may be models by their content.
    """
    jobs = gating.project.settings.capacity
    if whole and gating.environment.name != MATERIALIZE:
        return run_gates(gating, (), jobs)
    return list(gating.decide_all(gating.cases_of_run(locations, unknown), jobs))


def join_decisions(
    known: Sequence[CaseDecision], new: Sequence[CaseDecision]
) -> list[CaseDecision]:
    """Return the last decision on each gate and subject."""
    joined = {(one.decision.gate, one.decision.subject): one for one in (*known, *new)}
    return list(joined.values())
