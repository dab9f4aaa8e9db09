"""The verification: the steps for a subject, with a verdict for each."""

from __future__ import annotations

from dataclasses import dataclass, field

from security.statements.statement import Subject
from security.verdict import Verdict, combine
from security.verify.lineage import Lineage
from security.verify.slsa_level import SlsaLevel, find_level


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a verification."""

    name: str
    verdict: Verdict
    detail: str


@dataclass
class Verification:
    """The steps, the lineage and the SLSA level of a subject.

    Attributes:
        lineage: the verified way back from the subject to commits and data.
    """

    subject: Subject
    steps: list[Step] = field(default_factory=list)
    lineage: Lineage = field(default_factory=Lineage)
    level: SlsaLevel = field(default_factory=lambda: find_level(None, None))

    @property
    def verdict(self) -> Verdict:
        """The verdict of all steps; without steps it is ``error``."""
        return combine(step.verdict for step in self.steps)

    def note(self, name: str, verdict: Verdict, detail: str) -> None:
        """Add a step."""
        self.steps.append(Step(name, verdict, detail))

    def to_json(self) -> dict[str, object]:
        """Return the JSON document that ``verify --json`` prints."""
        return {
            "verdict": self.verdict.value,
            "subject": self.subject.to_json(),
            "steps": [
                {"name": step.name, "verdict": step.verdict.value, "detail": step.detail}
                for step in self.steps
            ],
            "slsa_level": self.level.level,
            "slsa_cap": self.level.cap,
        }
