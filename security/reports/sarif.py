"""SARIF 2.1.0: one run for each gate, for code scanning services.

GitHub's code scanning requires more than the standard, and refuses a whole file otherwise:

1. Each run has its own category (``automationDetails.id`` up to its last slash).
2. Each result has a file and a line. A finding without a file is on the first line of the judged
   out, or of ``dvc.yaml``, with its package as a logical location.
3. A run has at most 25,000 results, and GitHub shows 5,000. The most severe come first, and a
   notification counts those that are omitted or not shown.
4. Messages contain no links: text from judged files must not become one.
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
from security.reports.sarif_rules import Object, SarifRules, digest_text, identify_rule, plain
from security.verdict import Verdict

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS = 25_000
MOST_SHOWN = 5_000
#: The file for findings without one: each DVC project has it.
STAND_IN = "dvc.yaml"
_ROOT = "%SRCROOT%"


def write_sarif(
    decisions: Sequence[CaseDecision],
    *,
    version: str,
    prefix: str = "",
    root_uri: str | None = None,
) -> str:
    """Return decisions as a SARIF log.

    Args:
        version: version of this program.
        prefix: path of the project below the repository's root, which paths are relative to.
        root_uri: URI of the repository's root, for viewers that open files; ends with ``/``.
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
    """One finding with its decision."""

    decision: Decision
    finding: Finding
    level: str
    waiver: Waiver | None = None
    silenced: bool = False

    @property
    def order(self) -> tuple[bool, int, int]:
        """The sort key, most severe first."""
        levels = ("error", "warning", "note")
        rank = 0 if self.finding.severity is None else -self.finding.severity.rank
        return self.is_suppressed, levels.index(self.level), rank

    @property
    def is_suppressed(self) -> bool:
        """Whether a waiver, baseline or comment suppresses the finding."""
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
    kept, rules, seen = found[:MOST_RESULTS], SarifRules(gate), dict[str, int]()
    results: list[Json] = [_write_result(one, rules, seen, prefix) for one in kept]
    if any(one.is_suppressed for one in kept):
        # SARIF 3.27.23: all results of a run have suppressions, or none.
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
    """Return the tools, each once."""
    tools = {(one.tool.name, one.tool.version): None for one in decisions if one.tool}
    return [{"name": printable(name), "version": printable(version)} for name, version in tools]


def _invocation(decisions: Sequence[CaseDecision], found: int) -> Object:
    notes: list[Json] = []
    for one in decisions:
        decision, report = one.decision, one.report
        if report is None or report.unjudged is not None or decision.verdict is Verdict.ERROR:
            why = decision.reason
            if decision.verdict is not Verdict.ERROR and report is not None and report.unjudged:
                why = f"incomplete report: {report.unjudged}"
            level = "error" if decision.verdict.blocks else "note"
            notes.append(_note(level, f"{decision.subject}: {why}"))
    ran = not any(isinstance(note, dict) and note["level"] == "error" for note in notes)
    if found > MOST_RESULTS:  # 3
        text = f"{found - MOST_RESULTS} of {found} results are omitted: the least severe"
        notes.append(_note("warning", text))
    elif found > MOST_SHOWN:
        text = f"services may show only {MOST_SHOWN} of {found} results: the most severe come first"
        notes.append(_note("warning", text))
    return {"executionSuccessful": ran, "toolExecutionNotifications": notes}


def _note(level: str, text: str) -> Object:
    return {"level": level, "message": {"text": plain(text)}}


def _write_result(result: _Result, rules: SarifRules, seen: dict[str, int], prefix: str) -> Object:
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
    except UnicodeEncodeError:  # a lone surrogate that no file name contains
        name = path.encode("utf-8", "surrogatepass")
    return quote(name, safe="/")


def _fingerprints(decision: Decision, finding: Finding, seen: dict[str, int]) -> Object:
    """Return fingerprints of a finding that do not change with the lines above it."""
    parts = (decision.gate, decision.subject, finding.id, finding.path, finding.package)
    # Numbers in a message may change without changing the finding.
    key = digest_text("\0".join([*parts, re.sub("[0-9]+", "#", finding.message)]))
    seen[key] = seen.get(key, 0) + 1
    value = f"{key[:32]}:{seen[key]}"
    if _is_inside(finding.path):
        # Services compute primaryLocationLineHash from the line, and warn if ours differs.
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
    return [{"kind": "inSource", "status": "accepted", "justification": "a comment in the code"}]
