"""Verifying: all steps for what was asked, with the rules and the trust of the protected branch."""

from __future__ import annotations

import datetime

from ml_assets.project.model_outs import find_models, looks_like_model
from ml_assets.project.project import Project
from ml_assets.project.rules import find_rules
from ml_assets.proof.subject import Asked
from resources.errors import ConfigurationError
from security.content.file_mode import ModeError, judge_modes
from security.content.file_tree import FileTree
from security.errors import SecurityError
from security.signing.bundle import Bundle
from security.signing.model_signature import PREDICATE as MODEL_SIGNATURE
from security.signing.model_signature import root_digests, verify_model_signature
from security.verdict import Verdict
from security.verify.lineage import identify
from security.verify.verified_statements import Records
from security.verify.verifier import Demand, Verification, verify_gates, verify_origin

#: The gate that judges every model, so that each has a result of it.
_OF_MODELS = frozenset({"model-file"})


def verify_asked(
    project: Project,
    records: Records,
    asked: Asked,
    environment: str,
    signature: Bundle | None = None,
) -> Verification:
    """Make all steps (``security.verify.verifier``); each is made even where one before it failed.

    Args:
        signature: of a model, made elsewhere; None goes by those in the ledger.

    Raises:
        ConfigurationError, PolicyError: the rules cannot be read, or know no such environment.
    """
    rules = find_rules(project.root)
    demanded = rules.policy.environment(environment)
    found = Verification(asked.subject)
    model = _is_model(project, records, asked)
    _note_bytes(found, asked)
    if asked.tree is not None and (model or signature is not None):
        _note_signature(found, records, asked.tree, signature)
    verify_origin(found, records)
    demand = Demand(
        environment=demanded,
        policy=rules.policy.sha256,
        waivers=rules.policy.waivers,
        gates=frozenset(demanded.rules),
        needed=_OF_MODELS if model else frozenset(),
        today=datetime.date.today(),
    )
    verify_gates(found, records, demand)
    return found


def _is_model(project: Project, records: Records, asked: Asked) -> bool:
    """Whether the project calls it a model, or its name, or what trusted statements call it.

    A copy of a model under another name is a model all the same.
    """
    origin = records.origin(identify(asked.subject.digest))
    names = [one.name for one in origin.provenance.outs] if origin is not None else []
    if looks_like_model(asked.subject.name) or any(map(looks_like_model, names)):
        return True
    roots = root_digests(asked.tree.files) if asked.tree is not None else ()
    if any(records.about(root, MODEL_SIGNATURE) for root in roots):
        return True
    try:
        return asked.subject.name in find_models(project.load_manifest())
    except ConfigurationError:
        return False  # there is no graph to ask: what is left is the name


def _note_bytes(found: Verification, asked: Asked) -> None:
    if asked.tree is None:
        found.note("bytes", Verdict.WARNED, "only a digest was given: no bytes were looked at")
        return
    count = len(asked.tree.files)
    files = "1 file" if count == 1 else f"{count} files"
    found.note("bytes", Verdict.PASSED, f"{files}, {asked.tree.size:,} bytes read")


def _note_signature(
    found: Verification, records: Records, tree: FileTree, given: Bundle | None
) -> None:
    """Make step 2: of the signatures over just these files, one has to be good."""
    name = found.subject.name.rpartition("/")[2]
    reasons: list[str] = []
    for one in [given] if given is not None else _list_signatures(records, tree):
        try:
            bundle = records.ledger.load(one) if isinstance(one, str) else one
            verified = verify_model_signature(bundle, records.trust, name, tree)
        except ModeError as refused:  # whatever was signed: the hint is the way out
            error = judge_modes(found.subject.name, tree.modes) or refused
            found.note("signature", Verdict.FAILED, f"{error.message}: {error.hint}")
            return
        except SecurityError as error:
            reasons.append(error.message)
            continue
        found.note("signature", Verdict.PASSED, f"OpenSSF Model Signing by {verified.identity}")
        return
    detail = reasons[0] if reasons else "no signature over these bytes"
    found.note("signature", Verdict.FAILED, detail)


def _list_signatures(records: Records, tree: FileTree) -> list[str]:
    """Return the statements in the ledger that are signatures of these files, newest first."""
    about = [records.index.about(one, MODEL_SIGNATURE) for one in root_digests(tree.files)]
    return [digest for digests in about for digest in reversed(digests)]


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
