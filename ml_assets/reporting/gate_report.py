"""The gate report: what was decided of every case, for people, for programs and for CI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ml_assets.reporting.console import write_table
from resources.errors import wrap_os_error
from resources.files import write_atomically
from security.content.printable import printable
from security.finding import Finding
from security.policy.decision import Decision, Judged
from security.policy.waiver import Waiver
from security.verdict import Verdict, combine

_LINES = 5  # for what has passed one gate; more of them are one line
_SHOWN = 20  # findings of one gate that people are shown; all are in the files


@dataclass(frozen=True)
class Outputs:
    """Files to write for other programs; None writes none."""

    sarif: Path | None = None
    junit: Path | None = None
    summary: Path | None = None


def verdict_of(judged: Sequence[Judged]) -> Verdict:
    """Return what all decisions come to."""
    return combine(one.decision.verdict for one in judged)


def gate_documents(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Return the shape of ``gates`` that other programs rely on."""
    return [_document(one) for one in in_order(judged)]


def in_order(judged: Sequence[Judged]) -> list[Judged]:
    """Return decisions in the order in which people look for them."""
    return sorted(judged, key=lambda one: (one.decision.gate, one.decision.subject))


def _document(judged: Judged) -> dict[str, Any]:
    decision = judged.decision
    return {
        "name": decision.gate,
        "subject": decision.subject,
        "verdict": decision.verdict.value,
        "blocks": decision.blocks,
        "findings": [
            {"status": status, **finding.to_json()} for status, finding in _findings(decision)
        ],
        "cached": judged.cached,
        "reason": decision.reason,
        "seconds": round(judged.seconds, 3),
        "facts": dict(judged.report.facts) if judged.report is not None else {},
    }


def _findings(decision: Decision) -> list[tuple[str, Finding]]:
    return [
        *(("failing", finding) for finding in decision.failing),
        *(("warning", finding) for finding in decision.warning),
        *(("waived", finding) for finding, _ in decision.waived),
        *(("silenced", finding) for finding in decision.silenced),
    ]


def write_verdicts(judged: Sequence[Judged]) -> None:
    """Print a line for each decision, and one for all passes of a gate where they are many."""
    passed: dict[str, list[Judged]] = {}
    for one in judged:
        if one.decision.verdict is Verdict.PASSED:
            passed.setdefault(one.decision.gate, []).append(one)
    for gate, those in sorted(passed.items()):
        if len(those) > _LINES:
            print(f"gate {gate}: passed {len(those)} times")
    for one in in_order(judged):
        decision = one.decision
        if decision.verdict is Verdict.PASSED and len(passed[decision.gate]) > _LINES:
            continue
        print(
            f"gate {decision.gate} of {printable(decision.subject)}: "
            f"{decision.verdict.value}: {decision.reason}"
        )


def write_gates(judged: Sequence[Judged], unused: Sequence[Waiver], stream: TextIO) -> None:
    """Write the table of gates, and below it the findings that count."""
    rows = [_row(one) for one in in_order(judged)]
    write_table(
        rows, ("gate", "subject", "verdict", "findings", "seconds", "cached", "why"), stream
    )
    for one in in_order(judged):
        _write_findings(one.decision, stream)
    for waiver in unused:
        stream.write(f"unused waiver, until {waiver.expires}: {printable(waiver.about)}\n")


def _row(judged: Judged) -> tuple[str, ...]:
    decision = judged.decision
    count = len(_findings(decision))
    return (
        decision.gate,
        printable(decision.subject, 60),
        decision.verdict.value,
        str(count) if judged.report is not None else "-",
        f"{judged.seconds:.1f}",
        "yes" if judged.cached else "no",
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
            f"{decision.gate}: and {len(counted) - _SHOWN} more; all of them: "
            f"ml-assets check {decision.gate} --json\n"
        )
    for finding, waiver in decision.waived:
        stream.write(
            f"{decision.gate}: waived until {waiver.expires} by {printable(waiver.owner)}: "
            f"{printable(finding.id)}: {printable(waiver.reason)}\n"
        )


def write_outputs(
    judged: Sequence[Judged],
    outputs: Outputs,
    *,
    commit: str | None,
    environment: str,
    unused: Sequence[Waiver] = (),
    prefix: str = "",
    more: Sequence[str] = (),
) -> None:
    """Write the files that were asked for.

    Args:
        prefix: where the project lies below what a service takes paths to be relative to.
        more: further sections of the summary.

    Raises:
        UnavailableError: one cannot be written.
    """
    if outputs == Outputs():
        return
    from importlib.metadata import version

    from security.reports.junit import write_junit
    from security.reports.markdown import write_summary
    from security.reports.sarif import write_sarif

    ordered = in_order(judged)
    title = f"Gates for {environment}"
    if outputs.sarif is not None:
        _write(outputs.sarif, write_sarif(ordered, version=version("ml-assets"), prefix=prefix))
    if outputs.junit is not None:
        _write(outputs.junit, write_junit(ordered))
    if outputs.summary is not None:
        summary = write_summary(ordered, title=title, commit=commit, unused=unused, more=more)
        _write(outputs.summary, summary)


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path.absolute(), text.encode("utf-8"))
    except OSError as error:
        raise wrap_os_error(error) from error
