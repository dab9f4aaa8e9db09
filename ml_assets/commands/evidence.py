"""``ml-assets evidence``: all that a reviewer needs about one artifact, in one directory."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ml_assets.gating.evaluation import MATERIALIZE
from ml_assets.project.project import find_project
from ml_assets.proof.evidence import write_evidence
from ml_assets.proof.store import Proofs
from ml_assets.proof.subject import read_asked
from ml_assets.proof.verify import verify_asked
from ml_assets.reporting.console import write_notice
from resources.errors import ConfigurationError

_EPILOG = """\
examples:
  ml-assets evidence models/classifier.onnx --output evidence
  ml-assets evidence models/classifier.onnx --output evidence --environment production
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    parser.add_argument("subject", metavar="SUBJECT", help="a file or a directory")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, required=True, help="made anew; must not exist"
    )
    parser.add_argument(
        "--environment",
        metavar="NAME",
        default=MATERIALIZE,
        help=f"what it shall be good for, as the policy calls it (default: {MATERIALIZE})",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Verify, and write down what it was verified by; what does not verify is said in it."""
    project = find_project(arguments.project)
    if arguments.output.exists():
        raise ConfigurationError(
            f"there is something already: {arguments.output}", "name another --output"
        )
    with Proofs(project, write_notice).records() as records:
        asked = read_asked(project, arguments.subject, records)
        if asked.path is None:
            raise ConfigurationError("not a file or directory", "give the artifact itself")
        found = verify_asked(project, records, asked, arguments.environment)
        written = write_evidence(
            project, records, asked, asked.path, found, arguments.environment, arguments.output
        )
    if arguments.json:
        document = {"verdict": found.verdict.value, "output": str(arguments.output)}
        print(json.dumps({**document, "files": written}))
    else:
        print(f"{found.verdict.value}: {len(written)} files in {arguments.output}")
        print(f"read first: {arguments.output / 'README.md'}")
    return found.verdict.exit_code
