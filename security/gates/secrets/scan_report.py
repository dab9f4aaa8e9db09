"""The report of a secrets scan, accepted only if it is complete."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from security.content.printable import printable
from security.finding import Confidence, Finding, Severity, Silencing
from security.gates.interface import GateError, Report
from security.gates.tool.reason_list import file_reasons, join_reasons
from security.gates.tool.tool_process import REINSTALL, ToolExit

BASELINE = ".secrets.baseline"
_AGAIN = "run the gate again: ml-assets check secrets"

#: Severity and confidence by detector class; the other detectors know the exact form of a secret.
_GUESSES = {
    "HexHighEntropyString": (Severity.MEDIUM, Confidence.LOW),
    "Base64HighEntropyString": (Severity.MEDIUM, Confidence.LOW),
    "KeywordDetector": (Severity.HIGH, Confidence.MEDIUM),
    "BasicAuthDetector": (Severity.HIGH, Confidence.MEDIUM),
    "IPPublicDetector": (Severity.LOW, Confidence.LOW),
}
_EXACT = (Severity.HIGH, Confidence.HIGH)


def parse_scan(ended: ToolExit, files: Sequence[str]) -> Report:
    """Parse the report of a scan.

    Args:
        files: the files that were to be scanned, in order.

    Raises:
        GateError: the scan did not complete, or scanned other files.
    """
    return _build_report(_parse_json(ended), files)


def _parse_json(ended: ToolExit) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(ended.output)
        complaint = values.get("baseline")
    except (ValueError, AttributeError, RecursionError) as error:
        message = f"secrets scan failed, exit code {ended.exit_code}: {ended.last_lines()}"
        raise GateError(message, REINSTALL) from error
    if isinstance(complaint, str):
        message = f"unreadable {BASELINE}: {printable(complaint)}"
        raise GateError(message, f"detect-secrets scan > {BASELINE}")
    if ended.exit_code != 0 or complaint is not None:
        raise GateError(f"secrets scan failed, exit code {ended.exit_code}", _AGAIN)
    return values


def _build_report(values: dict[str, Any], files: Sequence[str]) -> Report:
    """Return the report, if it lists exactly the files that were given."""  # 1
    try:
        entries = values["files"]
        if [entry["path"] for entry in entries] != list(files):
            raise GateError("secrets scan reported other files", _AGAIN)
        scanned = [entry for entry in entries if "unread" not in entry]
        findings = tuple(finding for entry in scanned for finding in _build_findings(entry))
        unread = {entry["path"]: str(entry["unread"]) for entry in entries if "unread" in entry}
        kinds = Counter(str(entry["kind"]) for entry in scanned)
        noise = sum((Counter(entry["noise"]) for entry in scanned), Counter[str]())
        known, used = int(values["entries"]), int(values["used"])
    except (KeyError, TypeError, ValueError) as error:
        raise GateError(f"unreadable report of the secrets scan: {error!r}", _AGAIN) from error
    facts: dict[str, str | int | float] = {
        "files": len(files),
        "binary_files": kinds["binary"],
        "digests_passed_over": noise["digest"],
        "pictures_passed_over": noise["picture"],
        "baseline_entries": known,
        "baseline_entries_unused": known - used,
    }
    return Report(
        findings, len(scanned), join_reasons(file_reasons(unread), "not scanned: "), facts
    )


def _build_findings(entry: dict[str, Any]) -> Iterator[Finding]:
    for detector, kind, line, silenced in entry["hits"]:
        severity, confidence = _GUESSES.get(detector, _EXACT)
        yield Finding(
            id=re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-"),
            message=f"possible secret: {kind}",
            severity=severity,
            confidence=confidence,
            path=entry["path"],
            line=int(line) or None,
            silenced=None if silenced is None else Silencing(silenced),
        )
