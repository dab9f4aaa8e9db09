"""``ml-assets verify``: whether bytes may be used for something, from proofs alone, offline."""

from __future__ import annotations

import argparse
import json

from ml_assets.asked import Asked, read_asked
from ml_assets.console import write_notice
from ml_assets.gating import MATERIALIZE
from ml_assets.project import Project, find_project
from ml_assets.proofs import Proofs
from ml_assets.verifying import verify_asked
from security.printable import printable
from security.slsa_level import SlsaLevel
from security.verification import Verification

_EPILOG = """\
examples:
  ml-assets verify models/classifier.onnx
  ml-assets verify models/classifier.onnx --environment staging
  ml-assets verify sha256:ab12cd34ab12cd34ab12cd34ab12cd34ab12cd34ab12cd34ab12cd34ab12cd34 --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    parser.add_argument("subject", metavar="SUBJECT", help="a file, a directory, or sha256:DIGEST")
    parser.add_argument(
        "--environment",
        metavar="NAME",
        default=MATERIALIZE,
        help=f"what it shall be good for, as the policy calls it (default: {MATERIALIZE})",
    )
    parser.add_argument(
        "--offline", action="store_true", help="ask nobody, which is how it always works"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Verify, and print what each step came to."""
    project = find_project(arguments.project)
    asked, found = _verify(project, arguments)
    if arguments.json:
        print(json.dumps(document(found)))
    else:
        _write(asked, found)
    return found.verdict.exit_code


def _verify(project: Project, arguments: argparse.Namespace) -> tuple[Asked, Verification]:
    with Proofs(project, write_notice).records() as records:
        asked = read_asked(project, arguments.subject, records)
        return asked, verify_asked(project, records, asked, arguments.environment)


def document(found: Verification) -> dict[str, object]:
    """Return the shape that other programs rely on."""
    return {
        "verdict": found.verdict.value,
        "subject": found.subject.to_json(),
        "steps": [
            {"name": step.name, "verdict": step.verdict.value, "detail": step.detail}
            for step in found.steps
        ],
        "slsa_level": found.level.level,
        "slsa_cap": found.level.cap,
    }


def _write(asked: Asked, found: Verification) -> None:
    print(f"subject: {printable(found.subject.name, 500)}")
    for algorithm, digest in found.subject.digest.items():
        print(f"{algorithm}: {digest}")
    width = max(len(step.name) for step in found.steps)
    for number, step in enumerate(found.steps, 1):
        detail = printable(step.detail, 500)
        print(f"{number}. {step.name:<{width}}  {step.verdict.value:<6}  {detail}")
    print(f"{found.verdict.value}: {_say_level(found.level)}")


def _say_level(level: SlsaLevel) -> str:
    return f"SLSA Build L{level.level}; higher not because of: {level.cap}"
