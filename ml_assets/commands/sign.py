"""``ml-assets sign``: sign a model that passes the gates of an environment."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from ml_assets.gating.evaluation import Gating
from ml_assets.gating.gate_run import run_gates
from ml_assets.project.model_outs import is_model_out
from ml_assets.project.project import Project, find_project
from ml_assets.project.repository_pin import open_rules
from ml_assets.proof.attestation import identify_content
from ml_assets.proof.out_contents import compare_outs, files_of
from ml_assets.proof.sign_run import sign_decisions
from ml_assets.proof.signing_method import choose_signer
from ml_assets.proof.store import Proofs
from ml_assets.reporting.console import write_notice
from ml_assets.reporting.gate_report import gate_documents, write_verdicts
from resources.dvc.cache.content import Content
from resources.dvc.graph.manifest import Stage
from resources.errors import ConfigurationError, StageError
from resources.files import write_output
from security.signing.model_signature import PREDICATE, root_digest
from security.statements.statement import identify
from security.verdict import combine

_EPILOG = """\
examples:
  ml-assets sign models/classifier.onnx
  ml-assets sign models/classifier.onnx --environment production
  ml-assets sign models/classifier.onnx --output classifier.onnx.sig
  ml-assets sign models/vendor.onnx --without-provenance "trained by the vendor, ticket 12"
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

    parser.add_argument(
        "--without-provenance",
        metavar="REASON",
        help="sign a model that no run of this project made; the signature records the reason",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Run the gates, and sign the model if none blocks."""
    project = find_project(arguments.project)
    location = _find(project, arguments.path)
    rules = open_rules(project)
    choose_signer(project, rules)
    checkout = project.open_checkout()
    gating = Gating(project, checkout, rules, environment=arguments.environment)
    if location in checkout.manifest.producer:
        checkout.supply(location)
    if location not in gating.kit.models and not is_model_out(checkout, location):
        raise ConfigurationError(
            f"not a model: {location}", "declare it in dvc.yaml: artifacts, type: model"
        )
    content = checkout.read(location)
    if content is None:
        raise ConfigurationError(f"no such file: {location}", "create it: ml-assets run")
    proofs = Proofs(project, rules, write_notice)
    unproven: str | None = arguments.without_provenance
    outs = {location: content}
    compare_outs(checkout, outs, outs)
    if unproven is None:
        _require_provenance(proofs, location, content, checkout.manifest.producer[location])
    decisions = run_gates(gating, (), project.settings.capacity)
    signed = sign_decisions(gating, proofs, decisions, outs, write_notice, unproven)
    compare_outs(checkout, outs, outs)
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


def _require_provenance(proofs: Proofs, location: str, content: Content, stage: Stage) -> None:
    """Refuse a model that no run of this project made.

    Raises:
        StageError: there is no trusted provenance.
    """
    with proofs.complete_records() as records:
        if records.made(identify(identify_content(content))) is None:
            run = f"run its stage: ml-assets run --force --select {stage.name}; or "
            raise StageError(
                f"not signed, no trusted provenance: {location}",
                f"{'' if stage.is_source else run}say why it is signed nevertheless:"
                f" ml-assets sign {location} --without-provenance REASON",
            )


def _find(project: Project, path: str) -> str:
    inside = os.path.relpath(os.path.abspath(path), project.root)
    if inside.startswith("..") or not (project.root / inside).exists():
        inside = path
    return inside.replace(os.sep, "/")


def _write_bundle(proofs: Proofs, files: dict[str, str], output: Path) -> None:
    with proofs.records() as records:
        found = records.about(root_digest(files), PREDICATE)
    write_output(output, found[0].bundle.content)
