"""Annotations: findings of blocking gates, for the log of a CI job."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ml_assets.reporting.job_log import Annotation
from resources.ci_job import read_ci_job
from security.finding import Finding
from security.policy.decision import CaseDecision, Decision


def find_annotations(decisions: Sequence[CaseDecision], prefix: str) -> list[Annotation]:
    """Return the annotations of blocking decisions: first failing findings, then warnings.

    Args:
        prefix: path of the project below the workspace, with ``/`` after each name.
    """
    return [
        annotation
        for one in decisions
        if one.decision.blocks
        for annotation in _of_decision(one.decision, prefix)
    ]


def find_prefix(root: Path, environment: Mapping[str, str]) -> str:
    """Return the path of a project below the CI job's workspace; empty if it is not below."""
    job = read_ci_job(environment)
    if job is None or job.workspace is None:
        return ""
    below = os.path.relpath(root.resolve(), job.workspace.resolve())
    outside = below.startswith("..") or os.path.isabs(below)
    return "" if outside or below == "." else f"{below.replace(os.sep, '/')}/"


def _of_decision(decision: Decision, prefix: str) -> Iterator[Annotation]:
    about = f"{decision.gate} of {decision.subject}"
    if not decision.failing:
        yield Annotation("error", about, f"{decision.verdict.value}: {decision.reason}")
    for finding in decision.failing:
        yield _of_finding("error", decision, finding, prefix)
    for finding in decision.warning:
        yield _of_finding("warning", decision, finding, prefix)


def _of_finding(level: str, decision: Decision, finding: Finding, prefix: str) -> Annotation:
    return Annotation(
        level,
        f"{decision.gate}: {finding.id}",
        finding.message or decision.reason,
        f"{prefix}{finding.path}" if finding.path else "",
        finding.line,
        finding.column,
    )
