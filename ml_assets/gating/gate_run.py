"""A run of gates for the command line, with progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ml_assets.gating.evaluation import Gating
from security.content.printable import printable
from security.policy.decision import CaseDecision, unused_waivers
from security.policy.waiver import Waiver


def run_gates(gating: Gating, names: Sequence[str], jobs: int) -> list[CaseDecision]:
    """Decide all cases of some gates in parallel, and print progress; no names select all gates."""
    cases = gating.cases(names)
    decisions = gating.absent(cases, names)
    for number, one in enumerate(gating.decide_all(cases, jobs), start=1):
        decisions.append(one)
        decision = one.decision
        how = "cached" if one.cached else f"{one.seconds:.1f} s"
        sys.stderr.write(
            f"({number}/{len(cases)}) {decision.gate} of {printable(decision.subject)}: "
            f"{decision.verdict.value} ({how})\n"
        )
    for text in gating.unused_configuration:
        sys.stderr.write(f"notice: {printable(text, 500)}\n")
    return decisions


def find_unused(
    gating: Gating, decisions: Sequence[CaseDecision], *, whole: bool
) -> tuple[Waiver, ...]:
    """Return the waivers that waived nothing; none are known unless all gates ran.

    Args:
        whole: whether every gate ran on all its cases.
    """
    if not whole:
        return ()
    gates = {one.decision.gate for one in decisions if one.report is not None}
    return unused_waivers([one.decision for one in decisions], gating.rules.policy.waivers, gates)
