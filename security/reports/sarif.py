"""SARIF 2.1.0: one run for each gate, as code scanning services read it.

Beyond the standard, GitHub's code scanning asks for this, and refuses whole files over it:

1. Each run needs a category of its own (``automationDetails.id`` up to its last slash).
2. Each result needs a file and a line. What is about no file is put on the first line of the out
   that was judged, or of ``dvc.yaml``, with its package as a logical location.
3. At most 25,000 results a run, of which the 5,000 worst are shown. The worst come first here; what
   is left out or not shown is said in a notification.
4. A link in a message is followed by whoever reads it, so what the judged text says makes none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from security.content.printable import printable
from security.finding import Finding, Severity, Silencing
from security.gates.interface import Json
from security.policy.decision import CaseDecision, Decision
from security.policy.waiver import Waiver
from security.reports.sarif_rules import Object, Rules, digest_text, identify_rule, plain
from security.verdict import Verdict

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS = 25_000
MOST_SHOWN = 5_000
#: The file that findings about no file are put on: a DVC project has one.
STAND_IN = "dvc.yaml"
_ROOT = "%SRCROOT%"


def write_sarif(
    decisions: Sequence[CaseDecision],
    *,
    version: str,
    prefix: str = "",
    root_uri: str | None = None,
) -> str:
    """Return all results as one SARIF log.

    Args:
        version: of this program.
        prefix: where the project lies below the repository's root, with ``/`` between names: that
            is what services take paths to be relative to.
        root_uri: of the repository's root, for viewers that want to open files; ends with ``/``.
    """
    gates: dict[str, list[CaseDecision]] = {}
    for one in decisions:
        gates.setdefault(one.decision.gate, []).append(one)
    runs: list[Json] = [_run(gate, ones, version, prefix) for gate, ones in gates.items()]
    for run in runs:
        if root_uri is not None and isinstance(run, dict):
            run["originalUriBaseIds"] = {_ROOT: {"uri": root_uri}}
    log: Object = {"$schema": SCHEMA, "version": "2.1.0", "runs": runs}
    return json.dumps(log, indent=1, ensure_ascii=True) + "\n"


@dataclass(frozen=True, slots=True)
class _Result:
    """One finding as the policy sees it."""

    decision: Decision
    finding: Finding
    level: str
    waiver: Waiver | None = None
    silenced: bool = False

    @property
    def order(self) -> tuple[bool, int, int]:
        """Return what sorts the worst first."""
        levels = ("error", "warning", "note")
        rank = 0 if self.finding.severity is None else -self.finding.severity.rank
        return self.is_suppressed, levels.index(self.level), rank

    @property
    def is_suppressed(self) -> bool:
        """Whether it does not count."""
        return self.waiver is not None or self.silenced


def _results(decision: Decision) -> Iterator[_Result]:
    for finding in decision.failing:
        yield _Result(decision, finding, "error")
    for finding in decision.warning:
        yield _Result(decision, finding, _mild(finding))
    for finding, waiver in decision.waived:
        yield _Result(decision, finding, _mild(finding), waiver)
    for finding in decision.silenced:
        yield _Result(decision, finding, _mild(finding), silenced=True)


def _mild(finding: Finding) -> str:
    return "note" if finding.severity is Severity.LOW else "warning"


def _run(gate: str, decisions: Sequence[CaseDecision], version: str, prefix: str) -> Object:
    found = sorted(
        (result for one in decisions for result in _results(one.decision)),
        key=lambda result: result.order,
    )
    kept, rules, seen = found[:MOST_RESULTS], Rules(gate), dict[str, int]()
    results: list[Json] = [_write_result(one, rules, seen, prefix) for one in kept]
    if any(one.is_suppressed for one in kept):
        # SARIF 3.27.23: of all results of a run, or of none.
        for result, written in zip(kept, results, strict=True):
            if isinstance(written, dict):
                written["suppressions"] = _suppressions(result)
    driver: Object = {"name": f"ml-assets {gate}", "version": version, "rules": [*rules.rules]}
    tool: Object = {"driver": driver}
    extensions = _extensions(decisions)
    if extensions:
        tool["extensions"] = extensions
    return {
        "tool": tool,
        "automationDetails": {"id": f"ml-assets/{gate}/"},  # 1
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(decisions, len(found))],
        "results": results,
    }


def _extensions(decisions: Sequence[CaseDecision]) -> list[Json]:
    """Return the tools that judged, each once."""
    tools = {(one.tool.name, one.tool.version): None for one in decisions if one.tool}
    return [{"name": printable(name), "version": printable(version)} for name, version in tools]


def _invocation(decisions: Sequence[CaseDecision], found: int) -> Object:
    notes: list[Json] = []
    for one in decisions:
        decision, report = one.decision, one.report
        if report is None or report.unjudged is not None or decision.verdict is Verdict.ERROR:
            why = decision.reason
            if decision.verdict is not Verdict.ERROR and report is not None and report.unjudged:
                why = f"not all could be judged: {report.unjudged}"
            level = "error" if decision.verdict.blocks else "note"
            notes.append(_note(level, f"{decision.subject}: {why}"))
    ran = not any(isinstance(note, dict) and note["level"] == "error" for note in notes)
    if found > MOST_RESULTS:  # 3
        text = f"{found - MOST_RESULTS} of {found} results are left out: the worst are here"
        notes.append(_note("warning", text))
    elif found > MOST_SHOWN:
        text = f"a service may show {MOST_SHOWN} of these {found} results: the worst come first"
        notes.append(_note("warning", text))
    return {"executionSuccessful": ran, "toolExecutionNotifications": notes}


def _note(level: str, text: str) -> Object:
    return {"level": level, "message": {"text": plain(text)}}


def _write_result(result: _Result, rules: Rules, seen: dict[str, int], prefix: str) -> Object:
    decision, finding = result.decision, result.finding
    return {
        "ruleId": identify_rule(finding),
        "ruleIndex": rules.add(finding, result.level),
        "level": result.level,
        "message": {"text": plain(finding.message or finding.id)},
        "locations": [_location(decision, finding, prefix)],
        "partialFingerprints": _fingerprints(decision, finding, seen),
        "properties": _properties(decision, finding),
    }


def _properties(decision: Decision, finding: Finding) -> Object:
    values: Object = {"subject": printable(decision.subject)}
    if finding.severity is not None:
        values["severity"] = finding.severity.value
    if finding.confidence is not None:
        values["confidence"] = finding.confidence.value
    if finding.package:
        values["package"] = printable(finding.package)
    return values


def _location(decision: Decision, finding: Finding, prefix: str) -> Object:
    inside = _is_inside(finding.path)
    path = finding.path if inside else _stand_in(decision)  # 2
    uri = _uri(str(PurePosixPath(prefix) / path))
    region: Object = {"startLine": max(finding.line or 1, 1) if inside else 1}
    if inside and finding.line and finding.column and finding.column > 0:
        region["startColumn"] = finding.column
    physical: Object = {"artifactLocation": {"uri": uri, "uriBaseId": _ROOT}, "region": region}
    location: Object = {"physicalLocation": physical}
    if finding.package:
        name = printable(finding.package)
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "package"}]
    return location


def _stand_in(decision: Decision) -> str:
    subject = decision.subject
    return subject if subject != "source" and _is_inside(subject) else STAND_IN


def _is_inside(path: str) -> bool:
    return bool(path) and not path.startswith("/") and ".." not in path.split("/") and path != "."


def _uri(path: str) -> str:
    try:
        name = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character that no name of a file has
        name = path.encode("utf-8", "surrogatepass")
    return quote(name, safe="/")


def _fingerprints(decision: Decision, finding: Finding, seen: dict[str, int]) -> Object:
    """Return what stays the same for a finding when lines above it change."""
    parts = (decision.gate, decision.subject, finding.id, finding.path, finding.package)
    # Lines and counts in a message may change, and it is the same finding.
    key = digest_text("\0".join([*parts, re.sub("[0-9]+", "#", finding.message)]))
    seen[key] = seen.get(key, 0) + 1
    value = f"{key[:32]}:{seen[key]}"
    if _is_inside(finding.path):
        # Services compute their own from the line's text, and warn of each that differs.
        return {"mlAssets/v1": value}
    return {"mlAssets/v1": value, "primaryLocationLineHash": value}


def _suppressions(result: _Result) -> list[Json]:
    if result.waiver is not None:
        waiver = result.waiver
        why = f"{waiver.reason} ({waiver.owner}, until {waiver.expires})"
        return [{"kind": "external", "status": "accepted", "justification": printable(why, 1000)}]
    if not result.silenced:
        return []
    if result.finding.silenced is Silencing.BASELINE:
        why = "in the baseline of the protected branch"
        return [{"kind": "external", "status": "accepted", "justification": why}]
    return [{"kind": "inSource", "status": "accepted", "justification": "a comment beside it"}]
