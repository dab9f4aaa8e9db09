"""Markdown: the summary of a CI job.

Text from judged files is in code spans, where it cannot become markup, a link, a mention or a
reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from security.content.printable import printable
from security.finding import Finding
from security.policy.decision import CaseDecision
from security.policy.waiver import Deadlines, Waiver
from security.verdict import Verdict, combine

#: Bytes. GitHub drops a summary of more than 1 MiB.
LARGEST = 1_000_000
MOST_FINDINGS = 20
MOST_ROWS = 500
_SIGNS = {
    Verdict.PASSED: "✅ passed",
    Verdict.WARNED: "⚠️ warned",
    Verdict.FAILED: "❌ failed",
    Verdict.ERROR: "⛔ error",
}


def write_summary(
    decisions: Sequence[CaseDecision],
    *,
    title: str,
    commit: str | None = None,
    environment: str | None = None,
    unused: Sequence[Waiver] = (),
    deadlines: Deadlines = Deadlines(),
    more: Sequence[str] = (),
) -> str:
    """Return a summary of decisions.

    Args:
        unused: waivers that waived nothing.
        deadlines: waivers that have expired or expire soon.
        more: more sections, below the table; untrusted text in them is in code spans.
    """
    blocks = [
        f"## {_title(title)}",
        _headline(decisions, commit, environment),
        "\n".join(_table(decisions)),
        *more,
        *(_section(one) for one in decisions if _has_findings(one)),
        *_waivers(decisions, unused, deadlines),
    ]
    return _fit(blocks)


def _title(text: str) -> str:
    return text if re.fullmatch("[A-Za-z0-9 ,-]+", text) else code(text)


def _fit(blocks: Sequence[str]) -> str:
    """Join blocks up to the size limit; a last line counts omitted ones."""
    kept: list[str] = []
    room = LARGEST - 200
    for block in blocks:
        room -= len(block.encode()) + 2
        if room < 0:
            left = len(blocks) - len(kept)
            kept.append(f"{left} more sections are omitted: the summary is at its size limit.")
            break
        kept.append(block)
    return "\n\n".join(kept) + "\n"


def _headline(
    decisions: Sequence[CaseDecision], commit: str | None, environment: str | None
) -> str:
    verdict = combine(one.decision.verdict for one in decisions)
    blocking = sum(one.decision.blocks for one in decisions)
    said = [f"**{_SIGNS[verdict]}**"]
    said += [f"for {code(environment)}"] if environment else []
    said += [f"at {code(commit)}"] if commit else []
    said.append(f"· {blocking} of {len(decisions)} block" if decisions else "· nothing was judged")
    return " ".join(said)


def _table(decisions: Sequence[CaseDecision]) -> Iterator[str]:
    yield "| gate | subject | verdict | findings | seconds | result | reason |"
    yield "| --- | --- | --- | ---: | ---: | --- | --- |"
    # Blocking decisions come first if there is not room for all.
    rows = decisions
    if len(decisions) > MOST_ROWS:
        rows = sorted(decisions, key=lambda one: not one.decision.blocks)[:MOST_ROWS]
    for one in rows:
        decision = one.decision
        cells = [
            code(decision.gate),
            code(decision.subject),
            _SIGNS[decision.verdict] + (" (blocks)" if decision.blocks else ""),
            str(len(one.report.findings)) if one.report else "–",
            f"{one.seconds:.2f}",
            "missing" if decision.missing else "stored" if one.cached else "new",
            code(decision.reason),
        ]
        yield f"| {' | '.join(cells)} |"
    if len(decisions) > len(rows):
        yield f"\n{len(decisions) - len(rows)} more rows are omitted."


def _has_findings(one: CaseDecision) -> bool:
    return bool(one.decision.failing or one.decision.warning)


def _section(one: CaseDecision) -> str:
    decision = one.decision
    found = [("fails", finding) for finding in decision.failing]
    found += [("warns", finding) for finding in decision.warning]
    lines = [f"### {code(decision.gate)} · {code(decision.subject)}", ""]
    lines += [_item(does, finding) for does, finding in found[:MOST_FINDINGS]]
    if len(found) > MOST_FINDINGS:
        lines.append(f"- … and {len(found) - MOST_FINDINGS} more")
    return "\n".join(lines)


def _item(does: str, finding: Finding) -> str:
    rated = finding.severity.value if finding.severity else "no severity"
    where = f" at {code(finding.place)}" if finding.place else ""
    says = f": {code(finding.message)}" if finding.message else ""
    named = f"; waive as {code(finding.names[0])}" if finding.names[0] != finding.id else ""
    return f"- {does} ({rated}): {code(finding.id)}{where}{says}{named}"


def _waivers(
    decisions: Sequence[CaseDecision], unused: Sequence[Waiver], deadlines: Deadlines
) -> Iterator[str]:
    used: dict[Waiver, int] = {}
    for one in decisions:
        for _, waiver in one.decision.waived:
            used[waiver] = used.get(waiver, 0) + 1
    if used:
        lines = [f"- {count} × {_waiver(waiver)}" for waiver, count in used.items()]
        yield "\n".join(["### Waived", "", *lines])
    lists = {
        "Expired waivers (renew or remove them)": deadlines.expired,
        "Waivers that expire soon": deadlines.expiring,
        "Unused waivers (remove them)": unused,
    }
    for title, waivers in lists.items():
        if waivers:
            lines = [f"- {_waiver(waiver)}" for waiver in waivers]
            yield "\n".join([f"### {title}", "", *lines])


def _waiver(waiver: Waiver) -> str:
    who = f"{code(waiver.owner)}, expires {waiver.expires}"
    return f"{code(waiver.about)} ({who}): {code(waiver.reason)}"


def code(text: str) -> str:
    """Return a text as a code span that stays one in lines, lists and table cells.

    1. Escape line breaks, which would end a list or row, and other non-printable characters.
    2. Write a pipe, which would end a cell even in a span, as an entity between two spans.
    3. Use more backticks around the text than it contains.
    """
    pieces = printable(text, 300).split("|")  # 1
    return "&#124;".join(_span(piece) if piece else "" for piece in pieces) or "–"  # 2


def _span(text: str) -> str:
    if not text.strip():
        return "&#32;"
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)  # 3
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"
