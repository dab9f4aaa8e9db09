"""``ml-assets trace``: follow verified statements from an artifact back to commits and data."""

from __future__ import annotations

import argparse
import json

from ml_assets.project.project import find_project
from ml_assets.project.repository_pin import open_rules
from ml_assets.proof.lineage.picture import write_picture
from ml_assets.proof.lineage.report import add_picture, document, write_tree
from ml_assets.proof.store import Proofs
from ml_assets.proof.subject import resolve_subject
from ml_assets.reporting.console import write_notice
from security.statements.statement import identify
from security.verdict import combine
from security.verify.lineage import trace

_EPILOG = """\
examples:
  ml-assets trace models/classifier.onnx
  ml-assets trace models/classifier.onnx --picture lineage.svg
  ml-assets trace sha256:ab12cd34ab12cd34ab12cd34ab12cd34ab12cd34ab12cd34ab12cd34ab12cd34 --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    parser.add_argument("subject", metavar="SUBJECT", help="a file, a directory, or sha256:DIGEST")
    add_picture(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Trace the subject, and print the lineage."""
    project = find_project(arguments.project)
    rules = open_rules(project)
    with Proofs(project, rules, write_notice).complete_records() as statements:
        subject = resolve_subject(project, arguments.subject, statements).subject
        found = trace(statements, subject)
    root = identify(subject.digest)
    if arguments.json:
        print(json.dumps(document(found)))
    else:
        write_tree(found, root, backwards=True)
    write_picture(found, root, arguments.picture)
    return combine(node.verdict for node in found.nodes.values()).exit_code
