"""Admission: a stage reads only inputs that pass the gates that the policy requires.

Each stage asks before it runs, whether Dagster or the command line started it. Admission relies on
sealed results of the digests that are present now, never on Dagster's records. A case without a
result is judged at once.

StageError
└── RefusedError       an input of the stage failed a gate
ResourceError
└── UnjudgedError      a gate could not judge an input
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from ml_assets.gating.evaluation import Gating
from ml_assets.gating.runner import Case
from resources.dvc.cache.content import Content
from resources.dvc.graph.manifest import Stage
from resources.errors import ResourceError, StageError
from security.policy.decision import CaseDecision, Decision
from security.verdict import Verdict, combine


class RefusedError(StageError):
    """An input of a stage failed a gate."""

    kind = "refused"


class UnjudgedError(ResourceError):
    """A gate could not judge an input of a stage."""

    kind = "unjudged"


class GateAdmission:
    """Admit the stages of one run.

    Args:
        gating: builds the gating from the contents that stages have written; called for the first
            stage, because a run without stages needs no gating.
    """

    def __init__(self, gating: Callable[[Mapping[str, Content]], Gating]) -> None:
        self._make = gating
        self._gating: Gating | None = None
        self._guard = threading.Lock()
        self._decisions: dict[tuple[str, str], CaseDecision] = {}
        self._written: dict[str, Content] = {}

    @property
    def decisions(self) -> list[CaseDecision]:
        """The decisions so far, the last one on each case."""
        with self._guard:
            return list(self._decisions.values())

    def _open(self) -> Gating:
        with self._guard:
            if self._gating is None:
                self._gating = self._make(self._written)
            return self._gating

    def admit(self, stage: Stage) -> None:
        """Admit a stage.

        1. The current source tree passes its required gates.
        2. Each out that the stage reads passes, and each model that is not an out.

        Raises:
            RefusedError: an input failed.
            UnjudgedError: an input could not be judged.
        """
        gating = self._open()
        gating.refresh()
        cases = gating.required_of_source()  # 1
        absent = [one.decision for one in gating.absent_in_source(cases)]
        for location in dict.fromkeys(out for dep in stage.deps for out in dep.producers):  # 2
            cases += gating.required_of(location)
        for dep in stage.deps:
            if not dep.producers:
                cases += gating.required_of_dep(dep.location)
        blocking = [
            decision
            for decision in (*absent, *(one.decision for one in map(self._decide, cases)))
            if decision.blocks
        ]
        if blocking:
            raise _refusal(stage, blocking)

    def _decide(self, case: Case) -> CaseDecision:
        decision = self._open().decide(case)
        with self._guard:
            self._decisions[case.key] = decision
        return decision

    def note(self, stage: Stage, contents: Mapping[str, Content]) -> None:
        """Record the contents of the outs that a stage has written."""
        self._written.update(contents)


def _refusal(stage: Stage, blocking: list[Decision]) -> ResourceError:
    what = "; ".join(
        f"{one.gate} of {one.subject}: {one.verdict.value}: {one.reason}" for one in blocking
    )
    gates = " ".join(dict.fromkeys(one.gate for one in blocking))
    message = f"gates refuse stage {stage.name}: {what}"
    hint = f"see the findings: ml-assets check {gates}"
    if combine(one.verdict for one in blocking) is Verdict.FAILED:
        return RefusedError(message, hint)
    return UnjudgedError(message, hint)
