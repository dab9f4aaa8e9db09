"""``ml-assets evidence``: export an artifact with every statement about it, for a reviewer."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ml_assets.project.project import find_project
from ml_assets.project.repository_pin import open_rules
from ml_assets.proof.evidence import Evidence
from ml_assets.proof.store import Proofs
from ml_assets.proof.subject import resolve_subject
from ml_assets.proof.verify import verify_subject
from ml_assets.reporting.console import write_notice
from resources.errors import ConfigurationError
from security.policy.policy import MATERIALIZE

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
        "--output", metavar="DIR", type=Path, required=True, help="directory to create"
    )
    parser.add_argument(
        "--environment",
        metavar="NAME",
        default=MATERIALIZE,
        help=f"policy environment to verify against (default: {MATERIALIZE})",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Verify, and write the statements; the evidence of a failed verification is written too."""
    project = find_project(arguments.project)
    if arguments.output.exists():
        raise ConfigurationError(f"already exists: {arguments.output}", "choose another --output")
    rules = open_rules(project)
    with Proofs(project, rules, write_notice).complete_records() as statements:
        subject = resolve_subject(project, arguments.subject, statements)
        if subject.path is None:
            raise ConfigurationError(
                f"not a file or directory: {arguments.subject}", "give the artifact itself"
            )
        found = verify_subject(project, rules, statements, subject, arguments.environment)
        evidence = Evidence(rules, statements, subject, found, arguments.environment)
        written = evidence.write(subject.path, arguments.output)
    if arguments.json:
        document = {"verdict": found.verdict.value, "output": str(arguments.output)}
        print(json.dumps({**document, "files": written}))
    else:
        print(f"{found.verdict.value}: {len(written)} files in {arguments.output}")
        print(f"read first: {arguments.output / 'README.md'}")
    return found.verdict.exit_code
