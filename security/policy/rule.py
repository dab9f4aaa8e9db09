"""Rules: what an environment wants of one gate, and which findings make it fail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from security.content.table import Table
from security.finding import Confidence, Finding, Severity

#: Nobody may listen on the way, and no password belongs into a policy.
_SERVICE = re.compile(
    r"https://[^\s@]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/[^\s@]*)?"
)


class Level(Enum):
    """How much an environment wants a gate.

    REQUIRED: there must be something to judge, and a result; ``failed`` and ``error`` block.
    IF_PRESENT: the same where there is something to judge.
    ADVISORY: findings only warn. What could not be judged stays ``error`` in reports and does not
        block, but where the environment wants no error of any kind.
    OFF: not asked for.
    """

    REQUIRED = "required"
    IF_PRESENT = "if-present"
    ADVISORY = "advisory"
    OFF = "off"


class Missing(Enum):
    """What a finding comes to of which nobody says how bad it is."""

    FAIL = "fail"
    WARN = "warn"


class Comments(Enum):
    """What becomes of findings that a comment in the judged text asks to be silent about.

    JUDGE: they count like all others.
    ACCEPT: they are shown, and do not count.
    """

    JUDGE = "judge"
    ACCEPT = "accept"


class Stale(Enum):
    """What advisories come to that are older than the policy wants them."""

    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Rule:
    """What an environment wants of one gate; the defaults are the strictest.

    Attributes:
        severity: the least that fails.
        confidence: the least that fails; tools that know none are taken to be sure.
        missing_severity: of findings without one.
        silenced: of findings silenced by comments; a baseline of the protected branch is accepted.
        max_age_days: that the newest advisory may have; None does not ask.
        stale: of older ones.
        online: address of a service to ask for vulnerabilities too; None asks none.
        min_coverage: of tests, in percent; None does not ask.
        errors_block: whether an error of an advisory gate blocks, too.
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
        """Say whether a finding is bad and sure enough to fail."""
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
    """Parse what tables say of a rule, the last one last; what none says is as in another rule.

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
        raise table.error("online", f"not an address: {online}", "write https://, and no password")
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
