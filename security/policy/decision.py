"""Decisions: a rule of the policy, applied to a gate's report on a date."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from security.content.printable import printable
from security.finding import UNJUDGED, Confidence, Finding, Severity, Silencing
from security.gates.interface import NOTE, Report, Tool
from security.gates.tool.reason_list import join_reasons
from security.policy.rule import Comments, Level, Rule, Stale
from security.policy.waiver import Waiver, WaiverIndex
from security.statements.gate_result import GateResult
from security.verdict import Verdict

#: The fact with the date of the newest advisory that a gate used, as ``YYYY-MM-DD``.
NEWEST_ADVISORY = "advisories_newest"
#: The fact with the test coverage of the project's code, in percent.
COVERAGE = "coverage_percent"
#: Some time zones are a day ahead; a later date is an error.
_AHEAD = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of a policy on one case.

    Attributes:
        blocks: whether users of the subject must refuse it.
        reason: the reason for the verdict, on one line.
        failing: findings that fail.
        warning: findings that only warn.
        waived: findings that a waiver excepts, each with its waiver.
        silenced: findings that a baseline or an accepted comment silences.
        missing: whether the gate has no result.
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
    """A decision with the report and the result that it is based on.

    Attributes:
        report: None if the gate could not judge.
        tool: None if the tool is missing.
        seconds: duration of this check.
        cached: whether the result was stored by an earlier check.
        result: the stored report with its binding; None without a report.
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

    1. A gate that is off passes, and so does a gate without cases that is not required.
    2. Without a report the verdict is error.
    3. Each finding is waived, silenced, failing or warning. A waiver that has expired, or has
       another path or package, has no effect; a comment silences only if the rule accepts it.
    4. With failing findings the verdict is failed, even if the report is incomplete.
    5. An incomplete or empty report, or advisories that are too old, are an error; not the parts of
       a report that a waiver excepts by the sha256 of their bytes.
    6. Otherwise the verdict is warned or passed.
    7. The reason says how old the advisories are, whatever the rule demands, and the gate's note.

    Args:
        report: None without a report.
        unavailable: why the gate has no report, if it ran.
        today: date for the expiry of waivers and the age of advisories.
        present: whether the gate has anything to judge.
    """
    draft = _Draft(rule, gate, subject)
    if rule.level is Level.OFF:  # 1
        return draft.as_verdict(Verdict.PASSED, "off in this environment")
    absent = not present and report is None and unavailable is None
    if absent and rule.level is not Level.REQUIRED:
        return draft.as_verdict(Verdict.PASSED, "nothing to judge")
    if report is None:  # 2
        nothing = "nothing to judge" if absent else "no result"
        missing = unavailable is None and not absent
        reason = nothing if unavailable is None else f"could not judge: {unavailable}"
        return draft.as_verdict(Verdict.ERROR, reason, missing=missing)
    draft.sort(report, WaiverIndex(waivers, gate, today))  # 3
    errors, warnings = _lacks(rule, report, today, draft.excused)
    draft.said = _read_notes(rule, report, today)  # 7
    if draft.failing:  # 4
        failing = draft.count(draft.failing, "fail")
        return draft.as_verdict(Verdict.FAILED, "; ".join([failing, *errors, *draft.notes]))
    if errors:  # 5
        return draft.as_verdict(Verdict.ERROR, "; ".join([*errors, *draft.notes]))
    if draft.warning:  # 6
        warnings = [draft.count(draft.warning, "warn"), *warnings]
    if warnings:
        return draft.as_verdict(Verdict.WARNED, "; ".join(warnings))
    return draft.as_verdict(Verdict.PASSED, "nothing found")


@dataclass(slots=True)
class _Draft:
    """A decision while its findings are sorted."""

    rule: Rule
    gate: str
    subject: str
    said: tuple[str, ...] = ()
    failing: list[Finding] = field(default_factory=list)
    warning: list[Finding] = field(default_factory=list)
    waived: list[tuple[Finding, Waiver]] = field(default_factory=list)
    silenced: list[Finding] = field(default_factory=list)
    wide: dict[Waiver, Finding] = field(default_factory=dict)

    @property
    def excused(self) -> str | None:
        """The reasons of an incomplete report that waivers except, as the gate joins them."""
        return join_reasons([one.message for one, _ in self.waived if one.id == UNJUDGED])

    @property
    def notes(self) -> list[str]:
        """Remarks on waivers that name a class of findings, and have no effect."""
        return [
            f"waiver without effect: {waiver.finding} names a class, write {one.names[0]}"
            for waiver, one in self.wide.items()
        ]

    def sort(self, report: Report, waivers: WaiverIndex) -> None:
        """Sort findings into waived, silenced, failing and warning."""
        # Ten thousand findings have few combinations of severity and confidence.
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
            elif fails[kind] and finding.id != UNJUDGED:
                self.failing.append(finding)
            else:
                self.warning.append(finding)
            wide = None if waiver is not None else waivers.find_wide(finding)
            if wide is not None:
                self.wide.setdefault(wide, finding)

    def count(self, findings: Sequence[Finding], does: str) -> str:
        """Return the number of findings with an effect, and the first of them."""
        first = " ".join(["at", findings[0].place]) if findings[0].place else ""
        rest = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
        noun = "finding" if len(findings) == 1 else "findings"
        verb = f"{does}s" if len(findings) == 1 else does
        named = " ".join([findings[0].names[0], first]).strip()
        return f"{len(findings)} {noun} {verb}: {named}{rest}"

    def as_verdict(self, verdict: Verdict, reason: str, *, missing: bool = False) -> Decision:
        """Return the decision."""
        harmless = verdict is Verdict.ERROR and self.rule.level is Level.ADVISORY
        said = [reason, *self.said]
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
    message = f"coverage below {rule.min_coverage:g} %: {covered:g} %"
    return [Finding("coverage", message, Severity.HIGH)]


def _lacks(
    rule: Rule, report: Report, today: datetime.date, excused: str | None
) -> tuple[list[str], list[str]]:
    """Return the errors and the warnings about the completeness of a report.

    Args:
        excused: the only reasons of an incomplete report that are no error.
    """
    errors: list[str] = []
    warnings: list[str] = []
    waived = report.unjudged is not None and report.unjudged == excused
    if report.unjudged is not None and not waived:
        errors.append(f"incomplete report: {report.unjudged or 'no reason given'}")
    if report.judged <= 0 and not waived:
        errors.append("nothing was judged")
    if rule.min_coverage is not None and not isinstance(report.facts.get(COVERAGE), int | float):
        errors.append("unknown coverage")
    stale = _stale(rule, report, today)
    if stale:
        (errors if rule.stale is Stale.ERROR else warnings).append(stale)
    return errors, warnings


def _stale(rule: Rule, report: Report, today: datetime.date) -> str | None:
    """Return the reason that advisories are too old; an unknown age is too old."""
    if rule.max_age_days is None:
        return None
    said = report.facts.get(NEWEST_ADVISORY)
    try:
        newest = datetime.date.fromisoformat(str(said))
    except ValueError:
        return f"unknown age of advisories: {said}"
    if newest > today + _AHEAD:
        return f"date of the newest advisory is in the future: {newest}"
    days = (today - newest).days
    if days <= rule.max_age_days:
        return None
    return f"advisories older than {rule.max_age_days} days: newest is of {newest} ({days} days)"


def _read_notes(rule: Rule, report: Report, today: datetime.date) -> tuple[str, ...]:
    """Return the gate's note, and the age of the advisories unless it is too old."""
    note = report.facts.get(NOTE)
    notes = (str(note),) if note else ()
    try:
        newest = datetime.date.fromisoformat(str(report.facts.get(NEWEST_ADVISORY)))
    except ValueError:
        return notes
    if _stale(rule, report, today):
        return notes
    return (*notes, f"advisories end {newest}, {max((today - newest).days, 0)} days ago")


def unused_waivers(
    decisions: Iterable[Decision], waivers: Sequence[Waiver], judged_gates: Collection[str]
) -> tuple[Waiver, ...]:
    """Return the waivers that waived nothing, including expired ones.

    Args:
        judged_gates: gates whose cases were all judged; waivers of others are unknown.
    """
    used = {waiver for decision in decisions for _, waiver in decision.waived}
    return tuple(one for one in waivers if one.gate in judged_gates and one not in used)
