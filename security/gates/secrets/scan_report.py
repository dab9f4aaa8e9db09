"""The answer of a scan for secrets: believed only where it is whole, and then read as a report."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from security.content.printable import printable
from security.finding import Confidence, Finding, Severity, Silencing
from security.gates.interface import GateError, Report
from security.gates.tool.tool_process import ToolExit

BASELINE = ".secrets.baseline"
_SHOWN_FILES = 5

#: How bad, and how sure, by the class of the detector; others know the exact form of a secret.
_GUESSES = {
    "HexHighEntropyString": (Severity.MEDIUM, Confidence.LOW),
    "Base64HighEntropyString": (Severity.MEDIUM, Confidence.LOW),
    "KeywordDetector": (Severity.HIGH, Confidence.MEDIUM),
    "BasicAuthDetector": (Severity.HIGH, Confidence.MEDIUM),
    "IPPublicDetector": (Severity.LOW, Confidence.LOW),
}
_EXACT = (Severity.HIGH, Confidence.HIGH)


def parse_answer(ended: ToolExit, files: Sequence[str]) -> Report:
    """Read how a scan ended.

    Args:
        files: those that it was to look at, in order.

    Raises:
        GateError: it did not come to its end, or did not look at just these.
    """
    return _read(_parse(ended), files)


def _parse(ended: ToolExit) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(ended.output)
        complaint = answer.get("baseline")
    except (ValueError, AttributeError, RecursionError) as error:
        said = printable(ended.errors[-300:]) or "it said nothing"
        detail = f"scan for secrets ended with exit code {ended.exit_code}: {said}"
        raise GateError(detail, "install ml-assets again") from error
    if isinstance(complaint, str):
        detail = f"unreadable {BASELINE}: {printable(complaint)}"
        raise GateError(detail, f"write it anew: detect-secrets scan > {BASELINE}")
    if ended.exit_code != 0 or complaint is not None:
        raise GateError(f"scan for secrets ended with exit code {ended.exit_code}", "try it again")
    return answer


def _read(answer: dict[str, Any], files: Sequence[str]) -> Report:
    """Return what the scan says, if it is about just the files that it was given."""  # 1
    try:
        entries = answer["files"]
        if [entry["path"] for entry in entries] != list(files):
            raise GateError("scan for secrets looked at other files", "try it again")
        scanned = [entry for entry in entries if "unread" not in entry]
        findings = tuple(finding for entry in scanned for finding in _findings(entry))
        unread = {entry["path"]: str(entry["unread"]) for entry in entries if "unread" in entry}
        kinds = Counter(str(entry["kind"]) for entry in scanned)
        noise = sum((Counter(entry["noise"]) for entry in scanned), Counter[str]())
        known, used = int(answer["entries"]), int(answer["used"])
    except (KeyError, TypeError, ValueError) as error:
        raise GateError(f"scan for secrets gave no answer: {error!r}", "try it again") from error
    facts: dict[str, str | int | float] = {
        "files": len(files),
        "binary_files": kinds["binary"],
        "digests_passed_over": noise["digest"],
        "pictures_passed_over": noise["picture"],
        "baseline_entries": known,
        "baseline_entries_unused": known - used,
    }
    return Report(findings, len(scanned), _say_unread(unread), facts)


def _findings(entry: dict[str, Any]) -> Iterator[Finding]:
    for detector, kind, line, silenced in entry["hits"]:
        severity, confidence = _GUESSES.get(detector, _EXACT)
        yield Finding(
            id=re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-"),
            message=f"looks like a secret: {kind}",
            severity=severity,
            confidence=confidence,
            path=entry["path"],
            line=int(line) or None,
            silenced=None if silenced is None else Silencing(silenced),
        )


def _say_unread(unread: dict[str, str]) -> str | None:
    """Name files that were not looked at, with why."""
    if not unread:
        return None
    shown = [f"{printable(path)}: {printable(why)}" for path, why in unread.items()]
    more = f", and {len(shown) - _SHOWN_FILES} more" if len(shown) > _SHOWN_FILES else ""
    return f"not looked at: {', '.join(shown[:_SHOWN_FILES])}{more}"
