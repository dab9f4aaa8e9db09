"""Rules: the level of a gate in an environment, and the findings that fail it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from security.content.table import Table
from security.finding import Confidence, Finding, Severity

#: HTTPS except on this machine, against eavesdropping, and no password in the policy.
_SERVICE = re.compile(
    r"https://[^\s@]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/[^\s@]*)?"
)


class Level(Enum):
    """The level of a gate in an environment.

    REQUIRED: the gate must have a case and a result; ``failed`` and ``error`` block.
    IF_PRESENT: the same, unless the gate has no case.
    ADVISORY: findings only warn; ``error`` blocks only if the environment has ``errors-block``.
    OFF: the gate does not run.
    """

    REQUIRED = "required"
    IF_PRESENT = "if-present"
    ADVISORY = "advisory"
    OFF = "off"


class Missing(Enum):
    """The effect of findings without a severity."""

    FAIL = "fail"
    WARN = "warn"


class Comments(Enum):
    """The effect of comments that silence findings.

    JUDGE: silenced findings count like others.
    ACCEPT: silenced findings are shown and do not count.
    """

    JUDGE = "judge"
    ACCEPT = "accept"


class Stale(Enum):
    """The effect of advisories that are older than the policy allows."""

    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of an environment for one gate; the defaults are the strictest.

    Attributes:
        severity: lowest severity that fails.
        confidence: lowest confidence that fails; a finding without a confidence counts as certain.
        missing_severity: effect of findings without a severity.
        silenced: effect of comments; a baseline of the protected branch is always accepted.
        max_age_days: maximum age of the newest advisory; None sets no limit.
        stale: effect of older advisories.
        online: address of a vulnerability service to query too; None queries none.
        min_coverage: minimum test coverage in percent; None sets no limit.
        errors_block: whether an error of an advisory gate blocks.
    """

    level: Level = Level.REQUIRED
    severity: Severity = Severity.LOW
    confidence: Confidence = Confidence.LOW
    missing_severity: Missing = Missing.FAIL
    silenced: Comments = Comments.JUDGE
    max_age_days: int | None = None
    stale: Stale = Stale.ERROR
    online: str | None = None
    min_coverage: float | None = None
    errors_block: bool = False

    def fails(self, finding: Finding) -> bool:
        """Return whether a finding is severe and certain enough to fail."""
        if self.level in (Level.ADVISORY, Level.OFF):
            return False
        if finding.confidence and finding.confidence.rank < self.confidence.rank:
            return False
        if finding.severity is None:
            return self.missing_severity is Missing.FAIL
        return finding.severity.rank >= self.severity.rank


_RULE_KEYS = (
    "level",
    "severity",
    "confidence",
    "missing-severity",
    "silenced",
    "max-age-days",
    "stale",
    "online",
    "min-coverage",
)


def parse_rule(layers: Sequence[Table], rule: Rule) -> Rule:
    """Parse a rule from tables; later tables override earlier ones, and all override a base rule.

    Raises:
        PolicyError: a key is unknown, or of another type or range.
    """
    for layer in layers:
        rule = _parse_layer(layer, rule)
    return rule


def _parse_layer(table: Table, base: Rule) -> Rule:
    table.refuse_unknown(_RULE_KEYS)
    online = table.line("online") or base.online
    if online and not _SERVICE.fullmatch(online):
        raise table.error("online", f"invalid address: {online}", "use https:// and no password")
    return replace(
        base,
        level=table.choice("level", base.level),
        severity=table.choice("severity", base.severity),
        confidence=table.choice("confidence", base.confidence),
        missing_severity=table.choice("missing-severity", base.missing_severity),
        silenced=table.choice("silenced", base.silenced),
        max_age_days=table.whole_number("max-age-days", base.max_age_days, 1, 36500),
        stale=table.choice("stale", base.stale),
        online=online,
        min_coverage=table.number("min-coverage", base.min_coverage, 0, 100),
    )
