"""The verification rules: the part of a policy that a subject is verified against."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from security.gates.registry import model_readers
from security.policy.decision import Decision, evaluate
from security.policy.policy import Environment, Policy
from security.policy.rule import Level
from security.policy.waiver import Waiver
from security.statements.gate_result import GateResult


@dataclass(frozen=True, slots=True)
class VerificationRules:
    """Rules of one environment on one day.

    Attributes:
        environment: the environment's rules for gates.
        policy: sha256 of the policy's text.
        today: the date that waivers and advisories are compared with.
        model_gates: gates that check every model.
    """

    environment: Environment
    policy: str
    waivers: Sequence[Waiver]
    today: datetime.date
    model_gates: frozenset[str] = field(default_factory=model_readers)

    @classmethod
    def from_policy(
        cls, policy: Policy, environment: str, today: datetime.date
    ) -> VerificationRules:
        """Select the rules of an environment.

        Raises:
            PolicyError: the policy has no such environment.
        """
        return cls(policy.environment(environment), policy.sha256, policy.waivers, today)

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
