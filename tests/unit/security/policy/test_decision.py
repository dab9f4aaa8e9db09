"""Decisions: nothing that was not judged, and nothing that fails, comes out as passed."""

import datetime
import itertools
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from security.finding import Confidence, Finding, Severity, Silencing
from security.gates.interface import Report
from security.policy.decision import Decision, evaluate, unused_waivers
from security.policy.policy import builtin_policy
from security.policy.rule import Comments, Level, Missing, Rule, Stale
from security.policy.waiver import Waiver
from security.verdict import Verdict

TODAY = datetime.date(2026, 11, 24)
LATER = TODAY + datetime.timedelta(days=30)
FINDING = Finding("B602", "shell", Severity.HIGH, Confidence.HIGH, "src/a.py", 3)
WAIVER = Waiver("code-security", "B602", "reviewed", "ml-platform", LATER)
RULE = Rule(severity=Severity.HIGH, confidence=Confidence.MEDIUM)
CLEAN = Report((), 5)


def decide(
    report: Report | None,
    rule: Rule = RULE,
    unavailable: str | None = None,
    waivers: Iterable[Waiver] = (),
    **how: bool,
) -> Decision:
    """Apply a rule to a report of code-security today."""
    return evaluate(rule, "code-security", "source", report, unavailable, waivers, TODAY, **how)


def report_of(*findings: Finding, **facts: str | int | float) -> Report:
    """Return a report of five files."""
    return Report(findings, 5, facts=facts)


def test_clean_report_passes() -> None:
    decision = decide(CLEAN)
    assert (decision.verdict, decision.blocks) == (Verdict.PASSED, False)
    assert decision.reason == "nothing found" and not decision.missing


@pytest.mark.parametrize(
    ("severity", "confidence", "verdict"),
    [
        (Severity.HIGH, Confidence.MEDIUM, Verdict.FAILED),
        (Severity.CRITICAL, Confidence.HIGH, Verdict.FAILED),
        (Severity.HIGH, None, Verdict.FAILED),
        (None, None, Verdict.FAILED),
        (None, Confidence.HIGH, Verdict.FAILED),
        (Severity.HIGH, Confidence.LOW, Verdict.WARNED),
        (Severity.MEDIUM, Confidence.HIGH, Verdict.WARNED),
        (None, Confidence.LOW, Verdict.WARNED),
    ],
)
def test_findings_fail_from_the_thresholds_on(
    severity: Severity | None, confidence: Confidence | None, verdict: Verdict
) -> None:
    decision = decide(report_of(replace(FINDING, severity=severity, confidence=confidence)))
    assert decision.verdict is verdict and decision.blocks is verdict.blocks
    assert len(decision.failing) == (verdict is Verdict.FAILED)
    assert len(decision.warning) == (verdict is Verdict.WARNED)


def test_missing_severity_warns_where_the_policy_says_so() -> None:
    rule = replace(RULE, missing_severity=Missing.WARN)
    assert decide(report_of(replace(FINDING, severity=None)), rule).verdict is Verdict.WARNED


def test_failed_says_how_many_which_and_what_else() -> None:
    report = Report((FINDING, FINDING), 5, "3 files are no UTF-8")
    assert decide(report).reason == (
        "2 findings fail: B602 at src/a.py:3, and 1 more; incomplete report: "
        "3 files are no UTF-8"
    )
    assert decide(report_of(FINDING)).reason == "1 finding fails: B602 at src/a.py:3"


def test_failing_findings_outrank_what_was_not_judged() -> None:
    assert decide(Report((FINDING,), 5, "a file was skipped")).verdict is Verdict.FAILED
    assert decide(Report((FINDING,), 0)).verdict is Verdict.FAILED


@pytest.mark.parametrize("reason", ["a file was skipped", ""])
def test_part_that_was_not_judged_is_an_error(reason: str) -> None:
    for findings in ((), (replace(FINDING, severity=Severity.LOW),)):
        decision = decide(Report(findings, 5, reason))
        assert (decision.verdict, decision.blocks) == (Verdict.ERROR, True)
        assert decision.reason.startswith("incomplete report: ") and not decision.missing


@pytest.mark.parametrize("judged", [0, -1])
@pytest.mark.parametrize("level", [Level.REQUIRED, Level.IF_PRESENT])
def test_nothing_judged_is_an_error(judged: int, level: Level) -> None:
    decision = decide(Report((), judged), replace(RULE, level=level))
    assert (decision.verdict, decision.blocks) == (Verdict.ERROR, True)
    assert decision.reason == "nothing was judged"


@pytest.mark.parametrize("level", [Level.REQUIRED, Level.IF_PRESENT])
def test_no_result_is_an_error_and_missing(level: Level) -> None:
    decision = decide(None, replace(RULE, level=level))
    assert (decision.verdict, decision.blocks) == (Verdict.ERROR, True)
    assert decision.missing and decision.reason == "no result"


def test_tool_that_is_not_there_is_an_error_with_its_reason() -> None:
    decision = decide(None, unavailable="tool missing: bandit")
    assert (decision.verdict, decision.blocks) == (Verdict.ERROR, True)
    assert not decision.missing and decision.reason == "could not judge: tool missing: bandit"


def test_nothing_there_to_judge_passes_only_where_it_may() -> None:
    for level in (Level.IF_PRESENT, Level.ADVISORY):
        decision = decide(None, replace(RULE, level=level), present=False)
        assert (decision.verdict, decision.reason) == (Verdict.PASSED, "nothing to judge")
    decision = decide(None, RULE, present=False)
    assert (decision.verdict, decision.blocks) == (Verdict.ERROR, True)
    assert decision.reason == "nothing to judge" and not decision.missing


def test_claim_that_nothing_is_there_hides_no_report_and_no_failure() -> None:
    rule = replace(RULE, level=Level.IF_PRESENT)
    assert decide(report_of(FINDING), rule, present=False).verdict is Verdict.FAILED
    assert decide(None, rule, unavailable="it hung", present=False).verdict is Verdict.ERROR


def test_advisory_gate_only_warns() -> None:
    rule = replace(RULE, level=Level.ADVISORY)
    decision = decide(report_of(FINDING), rule)
    assert (decision.verdict, decision.blocks) == (Verdict.WARNED, False)
    assert decision.warning == (FINDING,) and decision.failing == ()


@pytest.mark.parametrize("report", [None, Report((), 0), Report((FINDING,), 5, "skipped")])
def test_error_of_an_advisory_gate_is_one_and_blocks_where_no_error_may_be(
    report: Report | None,
) -> None:
    rule = replace(RULE, level=Level.ADVISORY)
    decision = decide(report, rule)
    assert (decision.verdict, decision.blocks) == (Verdict.ERROR, False)
    strict = decide(report, replace(rule, errors_block=True))
    assert (strict.verdict, strict.blocks) == (Verdict.ERROR, True)


def test_gate_that_is_off_passes_and_says_so() -> None:
    decision = decide(None, replace(RULE, level=Level.OFF))
    assert (decision.verdict, decision.blocks) == (Verdict.PASSED, False)
    assert decision.reason == "off in this environment"


def test_waived_finding_does_not_count_and_is_shown() -> None:
    decision = decide(report_of(FINDING), waivers=[WAIVER])
    assert decision.verdict is Verdict.PASSED and decision.waived == ((FINDING, WAIVER),)
    assert decision.reason == "nothing found; 1 waived"


@pytest.mark.parametrize(
    "change",
    [
        {"expires": TODAY},
        {"expires": TODAY - datetime.timedelta(days=400)},
        {"gate": "lint"},
        {"finding": "B60"},
        {"path": "tests/**"},
        {"package": "a"},
    ],
    ids=str,
)
def test_waiver_that_is_over_or_about_something_else_waives_nothing(
    change: Mapping[str, str],
) -> None:
    waiver = replace(WAIVER, **change)
    decision = decide(report_of(FINDING), waivers=[waiver])
    assert decision.verdict is Verdict.FAILED and decision.waived == ()


def test_waiver_waives_one_finding_and_not_its_neighbour() -> None:
    other = replace(FINDING, id="B605")
    decision = decide(report_of(FINDING, other), waivers=[WAIVER])
    assert decision.verdict is Verdict.FAILED and decision.failing == (other,)


def test_waiver_does_not_make_up_for_what_was_not_judged() -> None:
    report = Report((FINDING,), 5, "a file was skipped")
    assert decide(report, waivers=[WAIVER]).verdict is Verdict.ERROR
    assert decide(None, unavailable="crashed", waivers=[WAIVER]).verdict is Verdict.ERROR


def test_comment_in_the_judged_text_silences_nothing_unless_accepted() -> None:
    silenced = replace(FINDING, silenced=Silencing.COMMENT)
    decision = decide(report_of(silenced))
    assert decision.verdict is Verdict.FAILED and decision.failing == (silenced,)
    accepted = decide(report_of(silenced), replace(RULE, silenced=Comments.ACCEPT))
    assert accepted.verdict is Verdict.PASSED and accepted.silenced == (silenced,)
    assert accepted.reason == "nothing found; 1 silenced"


@pytest.mark.parametrize("comments", Comments)
def test_baseline_of_the_protected_branch_is_accepted_and_shown(comments: Comments) -> None:
    silenced = replace(FINDING, silenced=Silencing.BASELINE)
    decision = decide(report_of(silenced), replace(RULE, silenced=comments))
    assert decision.verdict is Verdict.PASSED and decision.silenced == (silenced,)


@pytest.mark.parametrize(
    ("newest", "said"),
    [
        ("2026-10-25", None),
        ("2026-10-24", "advisories older than 30 days: newest is of 2026-10-24 (31 days)"),
        ("2024-10-10", "newest is of 2024-10-10 (775 days)"),
        ("2026-11-25", None),
        ("2026-11-26", "date of the newest advisory is in the future: 2026-11-26"),
        ("9999-12-31", "date of the newest advisory is in the future"),
        ("yesterday", "unknown age of advisories: yesterday"),
        (None, "unknown age of advisories: None"),
    ],
)
@pytest.mark.parametrize("stale", Stale)
def test_old_advisories_warn_or_are_an_error(
    newest: str | None, said: str | None, stale: Stale
) -> None:
    facts = {} if newest is None else {"advisories_newest": newest}
    rule = replace(RULE, max_age_days=30, stale=stale)
    decision = decide(report_of(**facts), rule)
    wanted = Verdict.WARNED if stale is Stale.WARN else Verdict.ERROR
    assert decision.verdict is (wanted if said else Verdict.PASSED)
    assert said is None or said in decision.reason
    assert decision.blocks is (decision.verdict is Verdict.ERROR)


def test_age_of_advisories_does_not_matter_where_nobody_asks() -> None:
    assert decide(report_of(advisories_newest="1999-01-01")).verdict is Verdict.PASSED


@pytest.mark.parametrize("found", [(), (FINDING,)])
@pytest.mark.parametrize("unjudged", [None, "a part"])
def test_every_result_says_how_old_the_advisories_are(
    found: tuple[Finding, ...], unjudged: str | None
) -> None:
    report = replace(report_of(*found, advisories_newest="2026-11-20"), unjudged=unjudged)
    for level in (Level.ADVISORY, Level.REQUIRED):
        reason = decide(report, replace(RULE, level=level)).reason
        assert "advisories end 2026-11-20, 4 days ago" in reason


def test_low_coverage_fails_and_an_unknown_one_is_an_error() -> None:
    rule = replace(RULE, min_coverage=80.0)
    assert decide(report_of(coverage_percent=80), rule).verdict is Verdict.PASSED
    low = decide(report_of(coverage_percent=79.9), rule)
    assert low.verdict is Verdict.FAILED and low.failing[0].message == "coverage below 80 %: 79.9 %"
    assert decide(report_of(coverage_percent=float("nan")), rule).verdict is Verdict.FAILED
    for unknown in (report_of(), report_of(coverage_percent="all")):
        assert decide(unknown, rule).verdict is Verdict.ERROR
    waiver = replace(WAIVER, finding="coverage")
    assert decide(report_of(coverage_percent=1), rule, waivers=[waiver]).verdict is Verdict.PASSED


def test_reason_stays_on_its_line_and_short() -> None:
    hostile = replace(FINDING, id="B602\n\x1b[2J\u202e" + "x" * 9999, path="a\nb|c")
    for decision in (
        decide(report_of(hostile)),
        decide(Report((), 1, "why\n\x00" * 999)),
        decide(None, unavailable="no\r\nidea"),
    ):
        assert decision.reason.isprintable() and len(decision.reason) < 1000


def test_no_combination_of_lacks_comes_out_as_passed() -> None:
    """Every report with a lack, at every level that wants a result, blocks."""
    reports = [None, Report((), 0), Report((), 1, "x"), Report((FINDING,), 1), Report((), 0, "x")]
    for report, level, comments, missing in itertools.product(
        reports, (Level.REQUIRED, Level.IF_PRESENT), Comments, Missing
    ):
        rule = Rule(level=level, silenced=comments, missing_severity=missing)
        assert decide(report, rule).blocks


def test_waivers_that_waive_nothing_are_named() -> None:
    other = replace(WAIVER, finding="B605")
    over = replace(WAIVER, expires=TODAY)
    elsewhere = replace(WAIVER, gate="secrets")
    waivers = [WAIVER, other, over, elsewhere]
    decisions = [decide(report_of(FINDING), waivers=waivers), decide(CLEAN, waivers=waivers)]
    assert unused_waivers(decisions, waivers, {"code-security"}) == (other, over)
    assert unused_waivers(decisions, waivers, {"code-security", "secrets"}) == (
        *(other, over),
        elsewhere,
    )
    assert unused_waivers([], waivers, set()) == ()


def test_thousands_of_findings_and_waivers_take_no_time() -> None:
    rule = builtin_policy().environment("production").rule("code-security")
    many = report_of(*(replace(FINDING, id=f"B{index}", line=index) for index in range(10_000)))
    waivers = [replace(WAIVER, finding=f"B{index}") for index in range(1000)]
    started = time.monotonic()
    decision = decide(many, rule, waivers=waivers)
    assert time.monotonic() - started < 2
    assert len(decision.waived) == 1000 and len(decision.failing) == 9000


UNREADABLE = Finding("unjudged", "a.bin: damaged", path="m/a.bin", aliases=("sha256:ab",))
PARTIAL = Report((UNREADABLE,), 0, "a.bin: damaged")
SHA = Waiver("model-file", "sha256:ab", "read by hand", "ml-platform", LATER)


def test_unreadable_bytes_are_waived_by_their_sha256() -> None:
    decision = evaluate(RULE, "model-file", "m", PARTIAL, None, [SHA], TODAY)
    assert decision.verdict is Verdict.PASSED
    assert decision.waived == ((UNREADABLE, SHA),)


@pytest.mark.parametrize("name", ["unjudged", "sha256:cd", "model-file"])
def test_unreadable_bytes_are_not_waived_by_a_class(name: str) -> None:
    waiver = replace(SHA, finding=name)
    decision = evaluate(RULE, "model-file", "m", PARTIAL, None, [waiver], TODAY)
    assert decision.verdict is Verdict.ERROR and decision.blocks
    assert ("write sha256:ab" in decision.reason) is (name == "unjudged")


@pytest.mark.parametrize("more", ["no second opinion", "b.bin: damaged"])
def test_waiver_of_one_reason_does_not_excuse_another(more: str) -> None:
    report = replace(PARTIAL, unjudged=f"a.bin: damaged; {more}")
    decision = evaluate(RULE, "model-file", "m", report, None, [SHA], TODAY)
    assert decision.verdict is Verdict.ERROR
