"""Decisions of all kinds, with text that looks like markup, for tests of reports."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from security.finding import Confidence, Finding, Severity, Silencing
from security.gates.interface import Report, Tool
from security.policy.decision import CaseDecision, evaluate
from security.policy.rule import Comments, Rule
from security.policy.waiver import Waiver

TODAY = datetime.date(2026, 11, 24)
RULE = Rule(severity=Severity.MEDIUM, silenced=Comments.ACCEPT)
WAIVER = Waiver("code-security", "B602", "re]]>viewed | @all", "<me>", datetime.date(2027, 1, 1))
HOSTILE = (
    "<script>alert(1)</script> & ]]> @team #1 [here](http://evil.example) ![i](http://evil.example)"
    " `code` ``` | a\\|b\n\n## head\r\n- item\x00\x1b[31m\u202e\ud800\ufffe *b* {0} '\""
    " www.evil.example"
)


def decide(
    gate: str,
    report: Report | None,
    *,
    subject: str = "source",
    unavailable: str | None = None,
    rule: Rule = RULE,
    waivers: Iterable[Waiver] = (),
    cached: bool = False,
) -> CaseDecision:
    """Apply a rule to a report."""
    decision = evaluate(rule, gate, subject, report, unavailable, waivers, TODAY)
    tool = None if unavailable else Tool(gate, "1.2.3")
    return CaseDecision(decision, report, tool, 1.5, cached)


def decide_findings(count: int, gate: str = "lint") -> CaseDecision:
    """Return a decision with many findings."""
    finding = [
        Finding(f"E{i % 50}", f"bad {i}", Severity.HIGH, None, "a.py", i + 1) for i in range(count)
    ]
    return decide(gate, Report(tuple(finding), 1))


def all_kinds() -> list[CaseDecision]:
    """Return findings that fail, warn, are waived and silenced, and gates that could not judge."""
    high = Severity.HIGH
    security = Report(
        (
            Finding("B605", "a shell", high, Confidence.HIGH, "src/a.py", 3, 5),
            Finding("B101", "an assert", Severity.LOW, Confidence.HIGH, "src/a.py", 9),
            Finding("B602", "waived", high, None, "src/b.py", 1),
            Finding("B603", "in the baseline", high, path="src/c.py", silenced=Silencing.BASELINE),
            Finding("B604", "with a comment", high, path="src/c.py", silenced=Silencing.COMMENT),
        ),
        7,
    )
    package = Finding("PYSEC-1", "bad", package="jinja2==3.1.3", aliases=("CVE-1",))
    hostile = Finding(HOSTILE, HOSTILE, None, None, HOSTILE, 1, package=HOSTILE, aliases=(HOSTILE,))
    return [
        decide("code-security", security, waivers=[WAIVER]),
        decide("dependencies", Report((package,), 5, "one file was skipped")),
        decide("format", Report((), 7), cached=True),
        decide("lint", None, unavailable=f"tool missing: flake8 {HOSTILE}"),
        decide(
            "model-file",
            Report((Finding("pickle", "calls os.system", high),), 1),
            subject="m/a.pkl",
        ),
        decide("model-file", Report((), 1), subject="m/b.pkl"),
        decide("secrets", Report((), 0)),
        decide("types", None),
        decide("workflows", Report((hostile,), 1), subject=HOSTILE),
    ]
