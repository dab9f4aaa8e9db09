"""The gate report: all decisions, as tables, JSON, SARIF, JUnit XML and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ml_assets.reporting.console import write_table
from resources.errors import wrap_os_error
from resources.files import write_output
from security.content.printable import printable
from security.finding import UNJUDGED, Finding
from security.policy.decision import CaseDecision, Decision
from security.policy.waiver import Deadlines, Waiver, waiver_for
from security.verdict import Verdict, combine

_LINES = 5  # passes of one gate; more are one line
_SHOWN = 20  # findings of one gate on the console; files have all


@dataclass(frozen=True)
class Outputs:
    """Files to write for other programs; None skips one."""

    sarif: Path | None = None
    junit: Path | None = None
    summary: Path | None = None


def verdict_of(decisions: Sequence[CaseDecision]) -> Verdict:
    """Return the combined verdict of decisions."""
    return combine(one.decision.verdict for one in decisions)


def gate_documents(decisions: Sequence[CaseDecision]) -> list[dict[str, Any]]:
    """Return decisions as the JSON of ``gates``; its shape is a contract."""
    return [_document(one) for one in in_order(decisions)]


def waiver_documents(deadlines: Deadlines) -> dict[str, list[dict[str, str]]]:
    """Return the waivers that need attention as JSON, by key."""

    def write(waivers: Sequence[Waiver]) -> list[dict[str, str]]:
        return [
            {"waiver": one.about, "owner": one.owner, "expires": one.expires.isoformat()}
            for one in waivers
        ]

    return {
        "expired_waivers": write(deadlines.expired),
        "expiring_waivers": write(deadlines.expiring),
    }


def in_order(decisions: Sequence[CaseDecision]) -> list[CaseDecision]:
    """Return decisions sorted by gate and subject."""
    return sorted(decisions, key=lambda one: (one.decision.gate, one.decision.subject))


def _document(one: CaseDecision) -> dict[str, Any]:
    decision = one.decision
    return {
        "name": decision.gate,
        "subject": decision.subject,
        "verdict": decision.verdict.value,
        "blocks": decision.blocks,
        "findings": [
            {"status": status, **finding.to_json(), "waive_as": finding.names[0]}
            for status, finding in _findings(decision)
        ],
        "cached": one.cached,
        "reason": decision.reason,
        "seconds": round(one.seconds, 3),
        "facts": dict(one.report.facts) if one.report is not None else {},
    }


def _findings(decision: Decision) -> list[tuple[str, Finding]]:
    return [
        *(("failing", finding) for finding in decision.failing),
        *(("warning", finding) for finding in decision.warning),
        *(("waived", finding) for finding, _ in decision.waived),
        *(("silenced", finding) for finding in decision.silenced),
    ]


def write_verdicts(decisions: Sequence[CaseDecision]) -> None:
    """Print a line for each decision; many passes of a gate are one line."""
    passed: dict[str, list[CaseDecision]] = {}
    for one in decisions:
        if one.decision.verdict is Verdict.PASSED:
            passed.setdefault(one.decision.gate, []).append(one)
    for gate, those in sorted(passed.items()):
        if len(those) > _LINES:
            print(f"gate {gate}: passed {len(those)} times")
    for one in in_order(decisions):
        decision = one.decision
        if decision.verdict is Verdict.PASSED and len(passed[decision.gate]) > _LINES:
            continue
        print(
            f"gate {decision.gate} of {printable(decision.subject)}: "
            f"{decision.verdict.value}: {decision.reason}"
        )


def write_gates(
    decisions: Sequence[CaseDecision], unused: Sequence[Waiver], stream: TextIO
) -> None:
    """Write the table of decisions, the findings that count, and how to waive those that block."""
    rows = [_row(one) for one in in_order(decisions)]
    write_table(
        rows, ("gate", "subject", "verdict", "findings", "seconds", "cached", "why"), stream
    )
    for one in in_order(decisions):
        _write_findings(one.decision, stream)
    for waiver in unused:
        stream.write(f"unused waiver, until {waiver.expires}: {printable(waiver.about)}\n")


def write_deadlines(deadlines: Deadlines, stream: TextIO) -> None:
    """Write the waivers that have expired, and those that expire soon."""
    for waiver in deadlines.expired:
        stream.write(f"expired waiver, since {waiver.expires}: {printable(waiver.about)}\n")
    for waiver in deadlines.expiring:
        stream.write(
            f"waiver expires soon, on {waiver.expires}: {printable(waiver.about)} "
            f"(owner: {printable(waiver.owner)})\n"
        )


def _row(one: CaseDecision) -> tuple[str, ...]:
    decision = one.decision
    count = len(_findings(decision))
    return (
        decision.gate,
        printable(decision.subject, 60),
        decision.verdict.value,
        str(count) if one.report is not None else "-",
        f"{one.seconds:.1f}",
        "yes" if one.cached else "no",
        decision.reason,
    )


def _write_findings(decision: Decision, stream: TextIO) -> None:
    counted = [one for one in _findings(decision) if one[0] in ("failing", "warning")]
    for status, finding in counted[:_SHOWN]:
        level = finding.severity.value if finding.severity else "no severity"
        stream.write(
            f"{decision.gate}: {status}: {printable(finding.place)}: "
            f"{printable(finding.id)} ({level}): {printable(finding.message)}\n"
        )
    if len(counted) > _SHOWN:
        stream.write(
            f"{decision.gate}: and {len(counted) - _SHOWN} more; show all: "
            f"ml-assets check {decision.gate} --json\n"
        )
    blocking = [one for one in (*decision.failing, *decision.warning) if _stops(decision, one)]
    for finding in blocking[:_SHOWN]:
        stream.write(f"waive it: {printable(waiver_for(decision.gate, finding), 4096)}\n")
    for finding, waiver in decision.waived:
        stream.write(
            f"{decision.gate}: waived until {waiver.expires} by {printable(waiver.owner)}: "
            f"{printable(finding.id)}: {printable(waiver.reason)}\n"
        )


def _stops(decision: Decision, finding: Finding) -> bool:
    """Say whether a waiver of a finding would help a decision that blocks."""
    return decision.blocks and (finding in decision.failing or finding.id == UNJUDGED)


def write_outputs(
    decisions: Sequence[CaseDecision],
    outputs: Outputs,
    *,
    commit: str | None,
    environment: str,
    unused: Sequence[Waiver] = (),
    deadlines: Deadlines = Deadlines(),
    prefix: str = "",
    more: Sequence[str] = (),
) -> None:
    """Write the requested files.

    Args:
        prefix: path of the project below the root of the repository.
        more: more sections of the summary.

    Raises:
        UnavailableError: a file cannot be written.
    """
    if outputs == Outputs():
        return
    from importlib.metadata import version

    from security.reports.junit import write_junit
    from security.reports.markdown import write_summary
    from security.reports.sarif import write_sarif

    ordered = in_order(decisions)
    title = f"Gates for {environment}"
    if outputs.sarif is not None:
        _write(outputs.sarif, write_sarif(ordered, version=version("ml-assets"), prefix=prefix))
    if outputs.junit is not None:
        _write(outputs.junit, write_junit(ordered))
    if outputs.summary is not None:
        summary = write_summary(
            ordered, title=title, commit=commit, unused=unused, deadlines=deadlines, more=more
        )
        _write(outputs.summary, summary)


def _write(path: Path, text: str) -> None:
    try:
        write_output(path.absolute(), text.encode("utf-8"))
    except OSError as error:
        raise wrap_os_error(error) from error
