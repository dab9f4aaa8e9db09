"""``ml-assets sign``: sign a model that passes the gates of an environment."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from ml_assets.gating.evaluation import Gating
from ml_assets.gating.gate_run import run_gates
from ml_assets.project.project import Project, find_project
from ml_assets.project.repository_pin import open_rules
from ml_assets.proof.sign_run import files_of, sign_decisions
from ml_assets.proof.signing_method import choose_signer
from ml_assets.proof.store import Proofs
from ml_assets.reporting.console import write_notice
from ml_assets.reporting.gate_report import gate_documents, write_verdicts
from resources.errors import ConfigurationError
from resources.files import write_atomically
from security.signing.model_signature import PREDICATE, root_digest
from security.verdict import combine

_EPILOG = """\
examples:
  ml-assets sign models/classifier.onnx
  ml-assets sign models/classifier.onnx --environment production
  ml-assets sign models/classifier.onnx --output classifier.onnx.sig
"""
_STAGING = "staging"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    parser.add_argument("path", metavar="PATH", help="a model that is an out of the project")
    parser.add_argument(
        "--environment",
        metavar="NAME",
        default=_STAGING,
        help=f"policy environment whose gates the model must pass (default: {_STAGING})",
    )
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="also write the signature as a Sigstore bundle"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Run the gates, and sign the model if none blocks."""
    project = find_project(arguments.project)
    location = _find(project, arguments.path)
    rules = open_rules(project)
    choose_signer(project, rules)
    checkout = project.open_checkout()
    gating = Gating(project, checkout, rules, environment=arguments.environment)
    if location not in gating.kit.models:
        raise ConfigurationError(
            f"not a model: {location}", "declare it in dvc.yaml: artifacts, type: model"
        )
    checkout.supply(location)
    content = checkout.read(location)
    if content is None:
        raise ConfigurationError(f"no such file: {location}", "create it: ml-assets run")
    decisions = run_gates(gating, (), project.settings.capacity)
    proofs = Proofs(project, rules, write_notice)
    signed = sign_decisions(gating, proofs, decisions, {location: content}, write_notice)
    blocking = [one.decision for one in decisions if one.decision.blocks]
    if signed and not blocking and arguments.output is not None:
        _write_bundle(proofs, files_of(content), arguments.output)
    if arguments.json:
        document = {"signed": bool(signed), "path": location, "gates": gate_documents(decisions)}
        print(json.dumps(document))
    else:
        write_verdicts(decisions)
        outcome = "signed" if signed else f"not signed: gates of {arguments.environment} block it"
        print(f"{location}: {outcome}")
    if blocking:
        return combine(one.verdict for one in blocking).exit_code
    return 0 if signed else 3


def _find(project: Project, path: str) -> str:
    inside = os.path.relpath(os.path.abspath(path), project.root)
    if inside.startswith("..") or not (project.root / inside).exists():
        inside = path
    return inside.replace(os.sep, "/")


def _write_bundle(proofs: Proofs, files: dict[str, str], output: Path) -> None:
    with proofs.records() as records:
        found = records.about(root_digest(files), PREDICATE)
    write_atomically(output, found[0].bundle.content)
