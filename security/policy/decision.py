"""Decisions: what a policy makes of a gate's report, today."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from security.content.printable import printable
from security.finding import Confidence, Finding, Severity, Silencing
from security.gates.interface import Report, Tool
from security.policy.rule import Comments, Level, Rule, Stale
from security.policy.waiver import Waiver, WaiverIndex
from security.statements.gate_result import GateResult
from security.verdict import Verdict

#: The fact that says how new the newest advisory is that a gate knew, as ``YYYY-MM-DD``.
NEWEST_ADVISORY = "advisories_newest"
#: The fact that says how much of the project's own code its tests have run, in percent.
COVERAGE = "coverage_percent"
#: Somewhere the next day has begun; a date beyond it is no date to go by.
_AHEAD = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy makes of one gate and one subject.

    Attributes:
        blocks: whether whoever needs the subject has to refuse it.
        reason: why the verdict is what it is, on one line.
        failing: findings that fail.
        warning: findings that only warn.
        waived: findings that do not count until a day, each with what says so.
        silenced: findings that do not count because a baseline or an accepted comment says so.
        missing: whether there is no result at all.
    """

    gate: str
    subject: str
    verdict: Verdict
    blocks: bool
    reason: str
    failing: tuple[Finding, ...] = ()
    warning: tuple[Finding, ...] = ()
    waived: tuple[tuple[Finding, Waiver], ...] = ()
    silenced: tuple[Finding, ...] = ()
    missing: bool = False


@dataclass(frozen=True, slots=True)
class CaseDecision:
    """A decision with what it came from, for those who write reports.

    Attributes:
        report: None where nothing could be judged.
        tool: None where it is not there.
        seconds: that judging took this time.
        cached: whether the result is an earlier one.
        result: the report with what it is bound to, as it is stored; None where there is none.
    """

    decision: Decision
    report: Report | None
    tool: Tool | None
    seconds: float
    cached: bool
    result: GateResult | None = None


def evaluate(
    rule: Rule,
    gate: str,
    subject: str,
    report: Report | None,
    unavailable: str | None,
    waivers: Iterable[Waiver],
    today: datetime.date,
    *,
    present: bool = True,
) -> Decision:
    """Apply a rule to a report.

    1. A gate that is off, or has nothing to judge where it may have nothing, has passed.
    2. Without a report nothing was judged: an error, whatever the reason.
    3. Each finding is waived, silenced, failing or warning. A waiver that has expired, or is about
       another path or package, waives nothing; a comment silences only where the rule accepts it.
    4. With failing findings the gate has failed, even where the rest could not be judged.
    5. A part that was not judged, nothing judged at all, or advisories too old: an error.
    6. What is left warns, or has passed.

    Args:
        report: None if there is none.
        unavailable: why there is none, where it was tried.
        today: decides which waivers work and how old advisories are.
        present: whether there is anything that the gate would read.
    """
    decide = _Deciding(rule, gate, subject)
    if rule.level is Level.OFF:  # 1
        return decide.as_verdict(Verdict.PASSED, "off in this environment")
    absent = not present and report is None and unavailable is None
    if absent and rule.level is not Level.REQUIRED:
        return decide.as_verdict(Verdict.PASSED, "nothing to judge")
    if report is None:  # 2
        nothing = "nothing to judge" if absent else "no result"
        missing = unavailable is None and not absent
        reason = nothing if unavailable is None else f"could not judge: {unavailable}"
        return decide.as_verdict(Verdict.ERROR, reason, missing=missing)
    decide.sort(report, WaiverIndex(waivers, gate, today))  # 3
    errors, warnings = _lacks(rule, report, today)
    if decide.failing:  # 4
        failing = decide.count(decide.failing, "fail")
        return decide.as_verdict(Verdict.FAILED, "; ".join([failing, *errors]))
    if errors:  # 5
        return decide.as_verdict(Verdict.ERROR, "; ".join(errors))
    if decide.warning:  # 6
        warnings = [decide.count(decide.warning, "warn"), *warnings]
    if warnings:
        return decide.as_verdict(Verdict.WARNED, "; ".join(warnings))
    return decide.as_verdict(Verdict.PASSED, "nothing found")


@dataclass(slots=True)
class _Deciding:
    """A decision in the making."""

    rule: Rule
    gate: str
    subject: str
    failing: list[Finding] = field(default_factory=list)
    warning: list[Finding] = field(default_factory=list)
    waived: list[tuple[Finding, Waiver]] = field(default_factory=list)
    silenced: list[Finding] = field(default_factory=list)

    def sort(self, report: Report, waivers: WaiverIndex) -> None:
        """Say of each finding what it comes to."""
        # There are few kinds of findings, and there may be ten thousand findings.
        fails: dict[tuple[Severity | None, Confidence | None], bool] = {}
        for finding in (*report.findings, *_low_coverage(self.rule, report)):
            kind = (finding.severity, finding.confidence)
            if kind not in fails:
                fails[kind] = self.rule.fails(finding)
            waiver = waivers.find(finding)
            if waiver is not None:
                self.waived.append((finding, waiver))
            elif _is_silenced(self.rule, finding):
                self.silenced.append(finding)
            elif fails[kind]:
                self.failing.append(finding)
            else:
                self.warning.append(finding)

    def count(self, findings: Sequence[Finding], does: str) -> str:
        """Say how many findings do something, and which is the first."""
        first = " ".join(["at", findings[0].place]) if findings[0].place else ""
        rest = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
        noun = "finding" if len(findings) == 1 else "findings"
        verb = f"{does}s" if len(findings) == 1 else does
        return f"{len(findings)} {noun} {verb}: {' '.join([findings[0].id, first]).strip()}{rest}"

    def as_verdict(self, verdict: Verdict, reason: str, *, missing: bool = False) -> Decision:
        """Return the decision."""
        harmless = verdict is Verdict.ERROR and self.rule.level is Level.ADVISORY
        said = [reason]
        said += [f"{len(self.waived)} waived"] if self.waived else []
        said += [f"{len(self.silenced)} silenced"] if self.silenced else []
        return Decision(
            gate=self.gate,
            subject=self.subject,
            verdict=verdict,
            blocks=verdict.blocks and not (harmless and not self.rule.errors_block),
            reason=printable("; ".join(said), 500),
            failing=tuple(self.failing),
            warning=tuple(self.warning),
            waived=tuple(self.waived),
            silenced=tuple(self.silenced),
            missing=missing,
        )


def _is_silenced(rule: Rule, finding: Finding) -> bool:
    if finding.silenced is Silencing.COMMENT:
        return rule.silenced is Comments.ACCEPT
    return finding.silenced is Silencing.BASELINE


def _low_coverage(rule: Rule, report: Report) -> list[Finding]:
    covered = report.facts.get(COVERAGE)
    if rule.min_coverage is None or not isinstance(covered, int | float):
        return []
    if covered >= rule.min_coverage:
        return []
    message = f"coverage is {covered:g} %, not {rule.min_coverage:g} %"
    return [Finding("coverage", message, Severity.HIGH)]


def _lacks(rule: Rule, report: Report, today: datetime.date) -> tuple[list[str], list[str]]:
    """Return what a report lacks to be believed, and what only makes it doubtful."""
    errors: list[str] = []
    warnings: list[str] = []
    if report.unjudged is not None:
        errors.append(f"not all could be judged: {report.unjudged or 'no reason given'}")
    if report.judged <= 0:
        errors.append("nothing was judged")
    if rule.min_coverage is not None and not isinstance(report.facts.get(COVERAGE), int | float):
        errors.append("coverage is unknown")
    stale = _stale(rule, report, today)
    if stale:
        (errors if rule.stale is Stale.ERROR else warnings).append(stale)
    return errors, warnings


def _stale(rule: Rule, report: Report, today: datetime.date) -> str | None:
    """Say how old advisories are if they are too old; an age that nobody knows is too old."""
    if rule.max_age_days is None:
        return None
    said = report.facts.get(NEWEST_ADVISORY)
    try:
        newest = datetime.date.fromisoformat(str(said))
    except ValueError:
        return f"age of the advisories is unknown: {said}"
    if newest > today + _AHEAD:
        return f"the newest advisory is of a day to come: {newest}"
    days = (today - newest).days
    if days <= rule.max_age_days:
        return None
    return f"advisories are {days} days old, not at most {rule.max_age_days}: {newest}"


def unused_waivers(
    decisions: Iterable[Decision], waivers: Sequence[Waiver], judged_gates: Collection[str]
) -> tuple[Waiver, ...]:
    """Return the waivers that waived nothing, expired ones among them.

    Args:
        judged_gates: those of which all subjects were judged; of others nobody can tell.
    """
    used = {waiver for decision in decisions for _, waiver in decision.waived}
    return tuple(one for one in waivers if one.gate in judged_gates and one not in used)
