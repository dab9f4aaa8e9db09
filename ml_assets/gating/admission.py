"""Admission: a stage reads only what has passed the gates that the policy requires of it.

It is asked in the run of a stage itself, so that it makes no difference who wanted the run. What it
goes by are sealed results for the digests of what lies there now; Dagster's records have no say.
What was never judged is judged on the spot.

StageError
└── RefusedError       something that a stage would read has failed a gate
ResourceError
└── UnjudgedError      a gate could not judge it
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
    """A stage would read what a gate has failed."""

    kind = "refused"


class UnjudgedError(ResourceError):
    """A stage would read what a gate could not judge."""

    kind = "unjudged"


class GateAdmission:
    """Admits stages of one run.

    Args:
        gating: makes it of what stages are noted to have written, on first need, because a run in
            which no stage starts needs none.
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
        """Let a stage run.

        1. The source tree has passed, as it is now.
        2. So has every out that the stage reads, as it is now, and every model that is no out.

        Raises:
            RefusedError: something has failed.
            UnjudgedError: something could not be judged.
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
        """Take what a stage has written for what is recorded of its outs."""
        self._written.update(contents)


def _refusal(stage: Stage, blocking: list[Decision]) -> ResourceError:
    what = "; ".join(
        f"{one.gate} of {one.subject}: {one.verdict.value}: {one.reason}" for one in blocking
    )
    gates = " ".join(dict.fromkeys(one.gate for one in blocking))
    message = f"{stage.name} may not run: {what}"
    hint = f"look, mend it, then run again: ml-assets check {gates}"
    if combine(one.verdict for one in blocking) is Verdict.FAILED:
        return RefusedError(message, hint)
    return UnjudgedError(message, hint)
