"""The gate ``workflows``: findings of zizmor in GitHub workflows, actions and Dependabot settings.

1. Zizmor gets copies of the files (``security.gates.tool.file_copies``), because it only logs which
   files it has audited, between quoted text. Unprintable parts of names are replaced.
2. Zizmor runs offline and with ``--no-ignores``, so that it also reports findings that a comment or
   the configuration silences. If the protected branch has a configuration, zizmor runs again
   without that option. A finding missing from the second output is silenced by the configuration.
3. A file that zizmor does not log as completed has not been checked.
4. The exit code must be that of the worst finding.

Workflows of other systems, such as GitLab, are not read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from security.finding import Confidence, Finding, Severity, Silencing
from security.gates.interface import GateError, Kind, Place, Report, Task, Tool
from security.gates.tool.file_copies import FileCopies, copy_files
from security.gates.tool.own_tools import own_program, own_version, run_linter
from security.gates.tool.reason_list import file_reasons, join_reasons
from security.gates.tool.tool_process import ToolExit

# Zizmor takes the first of these.
_CONFIGURATION = tuple(
    f"{directory}zizmor.{suffix}" for directory in (".github/", "") for suffix in ("yml", "yaml")
)
_READ = re.compile(
    r"(?:.*/)?(?:\.github/workflows/[^/]+|\.github/dependabot|action)\.ya?ml", re.DOTALL
)
_OPTIONS = ("--offline", "--no-progress", "--color=never", "--collect=all", "--format=json-v1")
_SEVERITIES = {"informational": Severity.LOW, "unknown": None}
_EXIT_CODES = {"informational": 11, "unknown": 11, "low": 12, "medium": 13, "high": 14}
_NOTHING_COLLECTED = 3
_DROPPED = ("GH_", "GITHUB_", "ZIZMOR_", "RUST_")
_HINT = "run zizmor --offline . in the project to see its output"


@dataclass(frozen=True, slots=True)
class _Audit:
    """The result of one run of zizmor: its findings, and the files that it completed."""

    findings: tuple[Finding, ...]
    completed: frozenset[str]


class WorkflowsGate:
    """Audit GitHub workflows, actions and Dependabot settings with zizmor."""

    name = "workflows"
    kind = Kind.SOURCE
    place = Place.COPY

    def reads(self, path: str) -> bool:
        """Say whether the gate reads a file."""
        return self.configures(path) or _READ.fullmatch(path) is not None

    def configures(self, path: str) -> bool:
        """Say whether a file is configuration."""
        return path in _CONFIGURATION

    def tool(self, task: Task) -> Tool:
        """Return zizmor, its version and its options.

        Raises:
            GateError: zizmor is not installed.
        """
        own_program("zizmor")
        return Tool("zizmor", own_version("zizmor"), {"options": list(_OPTIONS)})

    def judge(self, task: Task) -> Report:
        """Report every finding of zizmor, and mark those that are silenced.

        Raises:
            GateError: zizmor is missing, crashed, or its output contradicts itself.
        """
        sources = [path for path in task.files if not self.configures(path)]
        copies = copy_files(task, {path: _plain_name(path) for path in sources}, utf8=True)  # 1
        if not copies.originals:
            return _build_report(_Audit((), frozenset()), copies)
        present = (task.directory / path for path in _CONFIGURATION)
        configuration = next((path for path in present if path.exists()), None)
        audit = _run_zizmor(task, copies, configuration, "--no-ignores")
        if configuration is not None:
            audit = _mark_silenced(audit, _run_zizmor(task, copies, configuration))
        return _build_report(audit, copies)


def _plain_name(path: str) -> str:
    return "/".join(map(_plain_part, path.split("/")))


def _plain_part(part: str) -> str:
    if part.isprintable():
        return part
    hidden = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()
    return hidden + (PurePosixPath(part).suffix if part.endswith((".yml", ".yaml")) else "")


def _run_zizmor(task: Task, copies: FileCopies, configuration: Path | None, *more: str) -> _Audit:
    """Run zizmor, which writes its findings to standard output and its log to standard error."""
    settings = f"--config={configuration}" if configuration else "--no-config"
    zizmor = own_program("zizmor", *_OPTIONS, settings, *more, "--", str(copies.directory))
    ended = run_linter(task, zizmor, task.scratch, dropped=_DROPPED)
    completed = frozenset(_parse_log(ended.errors, copies))
    if ended.exit_code == _NOTHING_COLLECTED and not completed and not ended.output:
        return _Audit((), completed)
    findings, expected = _parse_output(ended, copies)
    if ended.exit_code != expected:  # 4
        codes = f"exit code {ended.exit_code}, not {expected}"
        raise GateError(f"zizmor contradicts its findings: {codes}", _HINT)
    if not {finding.path for finding in findings} <= completed:
        raise GateError("zizmor reports findings in files that it did not complete", _HINT)
    return _Audit(findings, completed)


def _parse_log(log: str, copies: FileCopies) -> list[str]:
    """Return the files that the log records as completed."""
    record = re.compile(rf"^ *INFO audit: zizmor: .* completed .*?/{copies.directory.name}/(.*)$")
    matches = filter(None, map(record.match, log.split("\n")))
    return [copies.originals[match[1]] for match in matches if match[1] in copies.originals]


def _parse_output(ended: ToolExit, copies: FileCopies) -> tuple[tuple[Finding, ...], int]:
    """Return the findings, and the exit code that belongs to them."""
    try:
        values = json.loads(ended.output)
        findings = tuple(_build_finding(one, copies) for one in values)
        levels = (one["determinations"]["severity"].lower() for one in values)
        return findings, max((_EXIT_CODES[level] for level in levels), default=0)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        why = f"exit code {ended.exit_code}: {ended.last_lines()}"
        raise GateError(f"unreadable output of zizmor, {why}", _HINT) from error


def _build_finding(one: Mapping[str, Any], copies: FileCopies) -> Finding:
    locations = one["locations"]
    primary = [place for place in locations if place["symbolic"]["kind"] == "Primary"]
    place = (primary or locations)[0]
    start = place["concrete"]["location"]["start_point"]
    path = place["symbolic"]["key"]["Local"]["verbatim_path"]
    severity = one["determinations"]["severity"].lower()
    confidence = one["determinations"]["confidence"].lower()
    return Finding(
        id=one["ident"],
        message=f"{one['desc']}: {place['symbolic']['annotation']}",
        severity=_SEVERITIES[severity] if severity in _SEVERITIES else Severity(severity),
        confidence=None if confidence == "unknown" else Confidence(confidence),
        path=copies.originals[path.partition(f"{copies.directory.name}/")[2]],
        line=start["row"] + 1,
        column=start["column"] + 1,
        silenced=Silencing.COMMENT if one["ignored"] else None,
    )


def _mark_silenced(audit: _Audit, second: _Audit) -> _Audit:
    """Step 2: mark the findings that the ignore rules of the configuration silence."""
    if audit.completed != second.completed:
        raise GateError("zizmor completed other files in its second run", _HINT)
    loud = set(second.findings)
    findings = (
        one if one.silenced or one in loud else replace(one, silenced=Silencing.BASELINE)
        for one in audit.findings
    )
    return _Audit(tuple(findings), audit.completed)


def _build_report(audit: _Audit, copies: FileCopies) -> Report:
    """Step 3: account for every file."""
    left = set(copies.originals.values()) - audit.completed
    reasons = {**copies.refused, **dict.fromkeys(left, "not a valid file of this kind")}
    return Report(
        audit.findings,
        judged=len(audit.completed),
        unjudged=join_reasons(file_reasons(reasons), "zizmor did not check: "),
    )
