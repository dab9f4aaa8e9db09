"""``ml-assets drill``: attack a throw-away copy of the project, and say what nobody noticed."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from ml_assets.project.project import find_project
from ml_assets.proof.drill import Drill, Outcome
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
    """Add the options of this command: there are none but those of all."""
    parser.epilog = _EPILOG


def execute(arguments: argparse.Namespace) -> int:
    """Attack, and print what came of it."""
    checkout = find_project(arguments.project).open_checkout()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="ml-assets-drill-") as place:
        for outcome in Drill(checkout, Path(place)).run():
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
        write_table(rows, ("attack", "outcome", "by", "what it said"), sys.stdout)
        print(", ".join(f"{count} {word}" for word, count in counts.items()))
    if counts[_WORDS[Verdict.FAILED]]:
        return 1
    return 0 if counts[_WORDS[Verdict.PASSED]] else 3
