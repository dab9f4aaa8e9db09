"""``ml-assets impact``: follow verified statements from an input or package to its products."""

from __future__ import annotations

import argparse
import json

from ml_assets.project.project import find_project
from ml_assets.project.repository_pin import open_rules
from ml_assets.proof.lineage.picture import write_picture
from ml_assets.proof.lineage.report import add_picture, document, write_tree
from ml_assets.proof.package_impact import find_bills, names_a_package
from ml_assets.proof.store import Proofs
from ml_assets.proof.subject import resolve_subject
from ml_assets.reporting.console import write_notice
from security.statements.statement import identify
from security.verdict import Verdict
from security.verify.lineage import Lineage, Node, impact

_EPILOG = """\
examples:
  ml-assets impact data/flights.csv
  ml-assets impact gitCommit:0123456789abcdef0123456789abcdef01234567
  ml-assets impact CVE-2024-34064
  ml-assets impact pkg:pypi/jinja2@3.1.3 --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "subject",
        metavar="SUBJECT",
        help="a file, a directory, sha256:DIGEST, gitCommit:HASH, a CVE, GHSA or PYSEC id, or a"
        " package URL",
    )
    add_picture(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Find everything made from the subject, and print the lineage."""
    project = find_project(arguments.project)
    rules = open_rules(project)
    with Proofs(project, rules, write_notice).complete_records() as statements:
        if names_a_package(arguments.subject):
            start = Node(arguments.subject, "package", arguments.subject, {})
            found = Lineage({start.id: start})
            for node, statement in find_bills(statements, arguments.subject):
                found.merge(impact(statements, node))
                found.connect(start.id, node.id, statement)
        else:
            subject = resolve_subject(project, arguments.subject, statements).subject
            start = Node(identify(subject.digest), "asked", subject.name, subject.digest)
            found = impact(statements, start)
        refused = dict.fromkeys(statements.index.damaged, "unreadable") | statements.refused
    for digest, reason in sorted(refused.items()):
        write_notice(f"result may be incomplete: statement {digest[:16]} not used: {reason}")
    if arguments.json:
        print(json.dumps(document(found)))
    else:
        write_tree(found, start.id, backwards=False)
    write_picture(found, start.id, arguments.picture)
    return Verdict.ERROR.exit_code if refused else 0
