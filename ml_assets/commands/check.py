"""``ml-assets check``: run the gates on the working tree and apply the policy."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date

from ml_assets.gating.evaluation import Gating
from ml_assets.gating.gate_run import find_unused, run_gates
from ml_assets.project.project import find_project
from ml_assets.project.repository_pin import open_rules
from ml_assets.reporting.gate_report import (
    gate_documents,
    verdict_of,
    waiver_documents,
    write_deadlines,
    write_gates,
)
from ml_assets.reporting.job_report import add_outputs, announce, conclude
from security.content.printable import printable
from security.policy.policy import MATERIALIZE
from security.policy.waiver import find_deadlines

_EPILOG = """\
examples:
  ml-assets check
  ml-assets check code-security secrets
  ml-assets check --environment production --sarif gates.sarif --junit gates.xml
  ml-assets check --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "gates",
        nargs="*",
        metavar="GATE",
        help="gates to run (default: all gates of the environment)",
    )
    parser.add_argument(
        "--environment",
        default=MATERIALIZE,
        metavar="NAME",
        help="policy environment to check against (default: materialize)",
    )
    add_outputs(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Run the gates and print the decisions."""
    project = find_project(arguments.project)
    notice = _Notices()
    announce(project, notice)
    rules = open_rules(project)
    checkout = project.open_checkout()
    gating = Gating(project, checkout, rules, environment=arguments.environment, on_notice=notice)
    for text in (*gating.notices, *gating.offers):
        notice(text)
    decisions = run_gates(gating, arguments.gates, project.settings.capacity)
    checkout.store.save()
    unused = find_unused(gating, decisions, whole=not arguments.gates)
    conclude(project, rules, checkout, arguments, gating.environment.name, decisions, unused)
    deadlines = find_deadlines(rules.policy.waivers, date.today())
    verdict = verdict_of(decisions)
    if arguments.json:
        document = {
            "verdict": verdict.value,
            "environment": gating.environment.name,
            "policy": {"from": gating.rules.origin, "sha256": gating.rules.policy.sha256},
            "commit": project.head.commit,
            "gates": gate_documents(decisions),
            "unused_waivers": [waiver.about for waiver in unused],
            **waiver_documents(deadlines),
        }
        print(json.dumps(document))
    else:
        write_gates(decisions, unused, sys.stdout)
        write_deadlines(deadlines, sys.stdout)
        print(f"{verdict.value}: {len(decisions)} judged for {gating.environment.name}")
    return verdict.exit_code


class _Notices:
    """Prints each notice once, to standard error."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, text: str) -> None:
        """Print a notice, unless it was printed before."""
        if text not in self._said:
            self._said.add(text)
            sys.stderr.write(f"notice: {printable(text, 500)}\n")
