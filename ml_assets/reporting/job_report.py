"""The job report: annotations and files for a CI job, from ``check`` and ``run``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.reporting.annotations import find_annotations, find_prefix
from ml_assets.reporting.gate_report import Outputs, in_order, write_outputs
from ml_assets.reporting.job_log import JobLog
from resources.ci_job import read_ci_job
from resources.dvc.checkout.checkout import Checkout
from resources.git.repository import is_shallow
from security.content.printable import printable
from security.policy.decision import CaseDecision
from security.policy.waiver import Waiver, find_deadlines

_SHALLOW = (
    "shallow clone: earlier commits cannot be planned (plan --commit), rebuilt (verify --rebuild)"
    " or compared; fetch the whole history: fetch-depth: 0 (GitHub), GIT_DEPTH: 0 (GitLab), or git"
    " fetch --unshallow"
)


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the options that name files for other programs."""
    parser.add_argument("--sarif", type=Path, metavar="F", help="write the findings as SARIF 2.1.0")
    parser.add_argument("--junit", type=Path, metavar="F", help="write the gates as JUnit XML")
    parser.add_argument(
        "--summary",
        type=Path,
        metavar="F",
        help="write gates, metrics and plots as Markdown for a CI job",
    )


def announce(project: Project, on_notice: Callable[[str], None]) -> None:
    """Write notices about the CI job and about a shallow clone."""
    job = read_ci_job(os.environ)
    if job is not None:
        on_notice(printable(job.about, 500))
    if is_shallow(project.root):
        on_notice(_SHALLOW)


def conclude(
    project: Project,
    rules: Rules,
    checkout: Checkout,
    arguments: argparse.Namespace,
    environment: str,
    decisions: Sequence[CaseDecision],
    unused: Sequence[Waiver],
) -> None:
    """Annotate the job's log with blocking findings, and write the requested files.

    Args:
        arguments: parsed options of ``add_outputs``.
        unused: waivers that waived nothing.

    Raises:
        UnavailableError: a file cannot be written.
    """
    outputs = Outputs(arguments.sarif, arguments.junit, arguments.summary)
    prefix = find_prefix(project.root, os.environ)
    log: JobLog = arguments.log
    log.annotate(find_annotations(in_order(decisions), prefix))
    more: list[str] = []
    if outputs.summary is not None:
        from ml_assets.reporting.ci_summary import write_sections

        more = write_sections(project, rules, checkout, environment)
    write_outputs(
        decisions,
        outputs,
        commit=project.head.commit,
        environment=environment,
        unused=unused,
        deadlines=find_deadlines(rules.policy.waivers, date.today()),
        prefix=prefix,
        more=more,
    )
