"""``ml-assets verify``: check an artifact's signatures, provenance and gates, offline."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from ml_assets.project.project import Project, find_project
from ml_assets.project.repository_pin import open_rules
from ml_assets.proof.store import Proofs
from ml_assets.proof.subject import resolve_subject
from ml_assets.proof.verify import verify_subject
from ml_assets.reporting.console import write_notice
from resources.errors import ConfigurationError, ResourceError
from resources.files import read_regular
from security.content.document import MOST_BYTES
from security.content.printable import printable
from security.content.private_copy import PrivateCopy
from security.policy.policy import MATERIALIZE
from security.signing.bundle import Bundle, parse_bundle
from security.statements.rebuild import write_rebuild
from security.statements.statement import identify
from security.verdict import Verdict
from security.verify.verification import Verification

_EPILOG = """\
examples:
  ml-assets verify models/classifier.onnx
  ml-assets verify models/classifier.onnx --environment staging
  ml-assets verify models/classifier.onnx --rebuild
  ml-assets verify models/classifier.onnx --output /srv/model/classifier.onnx
  ml-assets verify models/classifier.onnx --signature model.sig
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
        help=f"policy environment to verify against (default: {MATERIALIZE})",
    )
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="also run its stage again in a clean checkout, and compare the outs",
    )
    parser.add_argument(
        "--signature",
        metavar="FILE",
        type=Path,
        help="model signature (OpenSSF Model Signing) made by another program",
    )
    parser.add_argument(
        "--output",
        metavar="PATH",
        type=Path,
        help="write a copy of the verified bytes here, if they pass",
    )
    parser.add_argument("--offline", action="store_true", help="use no network (always the case)")


def execute(arguments: argparse.Namespace) -> int:
    """Verify, and print each step."""
    project = find_project(arguments.project)
    output: Path | None = arguments.output
    with PrivateCopy(output) if output is not None else nullcontext() as copy:
        found = _verify(project, arguments, copy)
        written = copy is not None and _publish(copy, found)
    if arguments.json:
        shown = os.fspath(output) if written and output is not None else None
        print(json.dumps({**found.to_json(), "output": shown}))
    else:
        _write(found)
    return found.verdict.exit_code


def _verify(
    project: Project, arguments: argparse.Namespace, copy: PrivateCopy | None
) -> Verification:
    rules = open_rules(project)
    proofs = Proofs(project, rules, write_notice)
    signature = _read_signature(arguments.signature)
    with proofs.complete_records() as statements:
        subject = resolve_subject(project, arguments.subject, statements, copy)
        if subject.tree is None and (copy is not None or signature is not None):
            raise ConfigurationError(
                f"--output and --signature need a file or directory: {arguments.subject}",
                "give the file or directory instead of its digest",
            )
        subject = replace(subject, signature=signature)
        found = verify_subject(project, rules, statements, subject, arguments.environment)
    if arguments.rebuild:
        _rebuild(project, proofs, found)
    return found


def _read_signature(file: Path | None) -> Bundle | None:
    """Read the file of ``--signature``.

    Raises:
        OSError: it cannot be read, or is no regular file: a pipe would never end.
        SignatureError: it holds no bundle.
    """
    if file is None:
        return None
    return parse_bundle(read_regular(Path(os.path.realpath(file)), MOST_BYTES))


def _publish(copy: PrivateCopy, found: Verification) -> bool:
    """Publish the copy if the subject passed; return whether it was published."""
    if found.verdict.exit_code != 0:
        return False
    copy.publish()
    found.note("output", Verdict.PASSED, f"verified bytes written: {copy.target}")
    return True


def _rebuild(project: Project, proofs: Proofs, found: Verification) -> None:
    """Run the stage again, sign the comparison, and add it as a step."""
    from ml_assets.proof.rebuild import rebuild  # takes long

    origin = found.lineage.origins.get(identify(found.subject.digest))
    if origin is None:
        found.note("rebuild", Verdict.ERROR, "no trusted provenance names its stage")
        return
    write_notice(f"running {origin.provenance.stage} again in a clean checkout")
    try:
        with tempfile.TemporaryDirectory(prefix="ml-assets-rebuild-") as place:
            result = rebuild(project, origin, Path(place))
        proofs.add(write_rebuild(result))
    except ResourceError as error:
        found.note("rebuild", Verdict.ERROR, f"{error.message}: {error.hint}")
        return
    files = [file for one in result.differing.values() for file in one]
    if files:
        more = f", and {len(files) - 5} more" if len(files) > 5 else ""
        detail = f"{result.stage} is not deterministic: {', '.join(files[:5])}{more}"
        found.note("rebuild", Verdict.FAILED, detail)
    else:
        same = ", ".join(result.identical[:5])
        found.note("rebuild", Verdict.PASSED, f"identical outs at {result.commit[:12]}: {same}")


def _write(found: Verification) -> None:
    print(f"subject: {printable(found.subject.name, 500)}")
    for algorithm, digest in found.subject.digest.items():
        print(f"{algorithm}: {digest}")
    width = max(len(step.name) for step in found.steps)
    for number, step in enumerate(found.steps, 1):
        detail = printable(step.detail, 500)
        print(f"{number}. {step.name:<{width}}  {step.verdict.value:<6}  {detail}")
    print(f"{found.verdict.value}: {found.level}")
