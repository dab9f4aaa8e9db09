"""``ml-assets impact``: everything that was made from something, by verified statements."""

from __future__ import annotations

import argparse
import json

from ml_assets.project.project import find_project
from ml_assets.proof.lineage.picture import write_picture
from ml_assets.proof.lineage.report import add_picture, document, write_tree
from ml_assets.proof.package_impact import find_bills, names_a_package
from ml_assets.proof.store import Proofs
from ml_assets.proof.subject import read_asked
from ml_assets.reporting.console import write_notice
from security.verdict import Verdict
from security.verify.lineage import Lineage, Node, identify, impact

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
    """Find what was made from it, and print that."""
    project = find_project(arguments.project)
    with Proofs(project, write_notice).records() as records:
        if names_a_package(arguments.subject):
            start = Node(arguments.subject, "package", arguments.subject, {})
            found = Lineage({start.id: start})
            for node, statement in find_bills(records, arguments.subject):
                found.merge(impact(records, node))
                found.connect(start.id, node.id, statement)
        else:
            subject = read_asked(project, arguments.subject, records).subject
            start = Node(identify(subject.digest), "asked", subject.name, subject.digest)
            found = impact(records, start)
        unread = sorted(records.unreadable)
    for digest in unread:
        write_notice(f"not to be had, so that more may follow from it: {digest[:16]}")
    if arguments.json:
        print(json.dumps(document(found)))
    else:
        write_tree(found, start.id, backwards=False)
    write_picture(found, start.id, arguments.picture)
    return Verdict.ERROR.exit_code if unread else 0
