"""``ml-assets sbom``: print the bill of materials of the environment or of a model."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from ml_assets.project.project import Project, find_project
from ml_assets.project.repository_pin import open_rules
from ml_assets.project.rules import Rules
from ml_assets.proof.attestation import identify_content
from ml_assets.proof.bom.bills import build_environment_bill, build_model_bill
from ml_assets.proof.store import Proofs
from ml_assets.reporting.console import write_notice
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Manifest
from resources.files import write_output
from security.bom.bill import Bill
from security.content.printable import printable
from security.statements.provenance import PREDICATE
from security.statements.statement import identify

_EPILOG = """\
examples:
  ml-assets sbom
  ml-assets sbom --output environment.cdx.json
  ml-assets sbom models/flight_delays.onnx
  ml-assets sbom flight-delays --output flight-delays.cdx.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    parser.description = "Print a bill of materials as CycloneDX 1.6 in JSON."
    parser.add_argument(
        "subject",
        nargs="?",
        metavar="MODEL",
        help="the path of a model, or its name under artifacts: (default: the environment)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the bill to a file instead"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Build the bill, and print it or write it to a file."""
    project = find_project(arguments.project)
    rules = open_rules(project)
    if arguments.subject is None:
        bill, about = build_environment_bill(project, rules), "environment"
    else:
        checkout = project.open_checkout()
        about = find_location(checkout.manifest, project.root, arguments.subject)
        links = find_provenance(project, rules, checkout, about)
        bill = build_model_bill(project, checkout, about, provenance=links)
        checkout.store.save()
    if arguments.output is not None:
        write_output(arguments.output, bill.content)
    if arguments.output is None or arguments.json:
        sys.stdout.write(bill.content.decode("ascii"))
    sys.stderr.write(f"{summarize(bill, about)}\n")
    return 0


def find_provenance(
    project: Project, rules: Rules, checkout: Checkout, location: str
) -> tuple[str, ...]:
    """Return the digests of the verified provenance of a model."""
    content = checkout.read(location)
    if content is None:
        return ()  # reading it for the bill reports the missing file
    with Proofs(project, rules, write_notice).records() as records:
        found = records.about(identify(identify_content(content)), PREDICATE)
    return tuple(one.bundle.sha256 for one in found)


def find_location(manifest: Manifest, root: Path, subject: str) -> str:
    """Return the location of an artifact's name or of a path."""
    named = [one.path for one in manifest.artifacts if one.name == subject]
    if len(named) == 1:
        return named[0]
    if subject in manifest.producer:
        return subject
    return Path(os.path.relpath(os.path.abspath(subject), root)).as_posix()


def summarize(bill: Bill, about: str) -> str:
    """Return one line with the bill's counts and gaps."""
    document: dict[str, Any] = json.loads(bill.content)
    kinds: dict[str, int] = {}
    missing: dict[str, int] = {}
    for component in document["components"]:
        kinds[component["type"]] = kinds.get(component["type"], 0) + 1
        for name in _values(component, "package:missing"):
            missing[name] = missing.get(name, 0) + 1
    card = document["metadata"]["component"].get("modelCard", {})
    parts = [f"{count} {kind}" for kind, count in sorted(kinds.items())]
    gaps = [f"{count} without {name}" for name, count in sorted(missing.items())]
    gaps += [f"{part} not stated" for part in _values(card, "card:not-stated")]
    gaps += [f"{len(_values(document['metadata'], 'lock:gap'))} not pinned"]
    said = "; ".join([", ".join(parts), *(gap for gap in gaps if not gap.startswith("0 "))])
    return f"bill of {printable(about)}: {said}; sha256 {bill.sha256}"


def _values(element: dict[str, Any], name: str) -> list[str]:
    found = element.get("properties", ())
    return [one["value"] for one in found if one["name"] == f"ml-assets:{name}"]
