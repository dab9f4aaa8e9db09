"""``ml-assets drill``: attack a copy of the project, and report attacks that go unnoticed."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ml_assets.branches.record_attacks import RecordAttacks
from ml_assets.project.project import find_project
from ml_assets.project.repository_pin import open_rules
from ml_assets.proof.drill.attack import Attack, AttackOutcome
from ml_assets.proof.drill.drill import Drill
from ml_assets.reporting.console import write_table
from security.content.printable import printable
from security.verdict import Verdict

_EPILOG = """\
examples:
  ml-assets drill
  ml-assets drill --json
"""
_WORDS = {Verdict.PASSED: "caught", Verdict.FAILED: "NOT CAUGHT", Verdict.ERROR: "not tried"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG


def execute(arguments: argparse.Namespace) -> int:
    """Run the attacks, and print the outcome of each."""
    project = find_project(arguments.project)
    checkout, rules = project.open_checkout(), open_rules(project)
    outcomes: list[AttackOutcome] = []

    def attack_records(root: Path) -> Sequence[Attack]:
        return RecordAttacks(root, rules).attacks()

    with tempfile.TemporaryDirectory(prefix="ml-assets-drill-") as place:
        for outcome in Drill(checkout, Path(place), rules, attack_records).run():
            sys.stderr.write(f"{_WORDS[outcome.verdict]}: {outcome.attack}\n")
            outcomes.append(outcome)
    counts = {
        word: sum(one.verdict is verdict for one in outcomes) for verdict, word in _WORDS.items()
    }
    if arguments.json:
        attacks = [
            {
                "attack": one.attack,
                "outcome": _WORDS[one.verdict].lower(),
                "by": one.by,
                "detail": one.detail,
            }
            for one in outcomes
        ]
        print(json.dumps({"attacks": attacks, **{k.lower(): n for k, n in counts.items()}}))
    else:
        rows = [
            (one.attack, _WORDS[one.verdict], one.by, printable(one.detail, 300))
            for one in outcomes
        ]
        write_table(rows, ("attack", "outcome", "command", "its message"), sys.stdout)
        print(", ".join(f"{count} {word}" for word, count in counts.items()))
    if counts[_WORDS[Verdict.FAILED]]:
        return 1
    return 0 if counts[_WORDS[Verdict.PASSED]] else 3
