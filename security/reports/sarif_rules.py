"""The rules of a SARIF run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TypeAlias

from security.content.printable import printable
from security.finding import Confidence, Finding, Severity
from security.gates.interface import Json
from security.gates.registry import Topic, topic_of

Object: TypeAlias = dict[str, Json]

_LONGEST_ID = 200
_SECURITY = {Topic.SECURITY, Topic.VULNERABILITIES}
#: A CVSS score within the range of each severity, by which services sort and filter.
_SCORES = {
    Severity.LOW: "2.0",
    Severity.MEDIUM: "5.5",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
}
_PRECISIONS = {Confidence.LOW: "low", Confidence.MEDIUM: "medium", Confidence.HIGH: "high"}


@dataclass(slots=True)
class SarifRules:
    """The rules of a run, each once, with the highest severity of its findings."""

    gate: str
    index: dict[str, int] = field(default_factory=dict)
    rules: list[Object] = field(default_factory=list)
    worst: list[int] = field(default_factory=list)

    def add(self, finding: Finding, level: str) -> int:
        """Add a finding's rule, and return its index.

        Args:
            level: level of the result; a rule has the level of its first result.
        """
        rule_id, severity = identify_rule(finding), finding.severity
        at = self.index.setdefault(rule_id, len(self.rules))
        if at == len(self.rules):
            self.rules.append(self._describe(rule_id, finding, level))
            self.worst.append(-1)
        rank = -1 if severity is None else severity.rank
        if severity is not None and rank > self.worst[at]:
            self.worst[at] = rank
            properties = self.rules[at]["properties"]
            if topic_of(self.gate) in _SECURITY and isinstance(properties, dict):
                properties["security-severity"] = _SCORES[severity]
        return at

    def _describe(self, rule_id: str, finding: Finding, level: str) -> Object:
        tags: list[Json] = [self.gate]
        tags += ["security"] if topic_of(self.gate) in _SECURITY else []
        properties: Object = {"tags": tags}
        if finding.confidence is not None:
            properties["precision"] = _PRECISIONS[finding.confidence]
        about = plain(f"{self.gate}: {rule_id}", 300)
        names = ", ".join(printable(name, 100) for name in finding.aliases[:20])
        known = plain(f"{about}, also known as {names}" if names else about, 3000)
        return {
            "id": rule_id,
            "shortDescription": {"text": about},
            "fullDescription": {"text": known},
            "help": {"text": f"{known}. The project's policy decides its effect."},
            "defaultConfiguration": {"level": level},
            "properties": properties,
        }


def identify_rule(finding: Finding) -> str:
    """Return a unique rule id that services accept by its length."""
    shown = printable(finding.id, len(finding.id)) or "unnamed"
    if len(shown) <= _LONGEST_ID:
        return shown
    return f"{shown[: _LONGEST_ID - 17]}…{digest_text(finding.id)[:16]}"


def plain(text: str, limit: int = 1000) -> str:
    """Return a message without links that is not empty."""
    return printable(text, limit).replace("](", "] (") or "no message"


def digest_text(text: str) -> str:
    """Return the sha256 of a text, even with lone surrogates."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
