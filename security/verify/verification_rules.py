"""The verification rules: the part of a policy that a subject is verified against."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from security.gates.registry import model_readers
from security.policy.decision import Decision, evaluate
from security.policy.policy import MATERIALIZE, Environment, Policy
from security.policy.rule import Level
from security.policy.waiver import Waiver
from security.statements.gate_result import GateResult
from security.verdict import Verdict


@dataclass(frozen=True, slots=True)
class VerificationRules:
    """Rules of one environment on one day.

    Attributes:
        environment: the environment's rules for gates.
        policy: sha256 of the policy's text.
        today: the date that waivers and advisories are compared with.
        model_gates: gates that check every model.
        now: the time to compare statements with; None compares none.
    """

    environment: Environment
    policy: str
    waivers: Sequence[Waiver]
    today: datetime.date
    model_gates: frozenset[str] = field(default_factory=model_readers)
    now: datetime.datetime | None = None

    @classmethod
    def from_policy(
        cls,
        policy: Policy,
        environment: str,
        today: datetime.date,
        now: datetime.datetime | None = None,
    ) -> VerificationRules:
        """Select the rules of an environment.

        Raises:
            PolicyError: the policy has no such environment.
        """
        rules = policy.environment(environment)
        return cls(rules, policy.sha256, policy.waivers, today, now=now)

    @property
    def weak_origin(self) -> Verdict:
        """The verdict on provenance that leads to no run of this project.

        It is a warning while models are made, so that a cache filled by DVC can be used, and
        otherwise a failure.
        """
        lenient = self.environment.name == MATERIALIZE and not self.environment.verified_restores
        return Verdict.WARNED if lenient else Verdict.FAILED

    def decide(self, result: GateResult) -> Decision:
        """Apply the policy to a gate's result."""
        binding = result.binding
        rule = self.environment.rule(binding.gate)
        return evaluate(
            rule, binding.gate, binding.subject, result.report, None, self.waivers, self.today
        )

    def find_missing(self, results: Iterable[GateResult], *, is_model: bool) -> list[str]:
        """Return the gates without a result, by name.

        Required gates need one, and so do the gates of models for a model. For other gates with
        the level ``if-present``, the signed decision is trusted to know whether they had input.
        """
        levels = {gate: self.environment.rule(gate).level for gate in self.environment.rules}
        needed = {gate for gate, level in levels.items() if level is Level.REQUIRED}
        if is_model:
            needed |= {one for one in self.model_gates if levels.get(one) is Level.IF_PRESENT}
        return sorted(needed - {result.binding.gate for result in results})
