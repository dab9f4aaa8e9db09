"""The contents of outs at the end of a run: read for its statements, and again after them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ml_assets.proof.attestation import identify_content
from ml_assets.proof.store import Proofs
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.errors import OutChangedError
from security.signing.model_signature import write_model_statement
from security.statements.statement import Statement, identify


def read_attested(
    checkout: Checkout, proofs: Proofs, locations: Collection[str]
) -> dict[str, Content]:
    """Read the present outs that have a signed provenance, by location."""
    checkout.forget_locks()  # the stages have written them
    read = {one: checkout.read(one) for one in locations if "://" not in one}
    with proofs.records() as records:
        return {
            location: content
            for location, content in read.items()
            if content is not None and records.origin(identify(identify_content(content)))
        }


def describe_unproven(
    checkout: Checkout,
    locations: Collection[str],
    models: Collection[str],
    attested: Mapping[str, Content],
) -> list[str]:
    """Describe the present models of a run that stages write and that have no provenance."""
    return [
        f"not signed, no trusted provenance: {one}; {describe_run(checkout, one)}"
        for one in locations
        if one in models
        and one not in attested
        and not checkout.manifest.producer[one].is_source
        and checkout.read(one) is not None
    ]


def describe_run(checkout: Checkout, location: str) -> str:
    """Describe the command that makes an out anew."""
    stage = checkout.manifest.producer[location].name
    return f"make it: ml-assets run --force --select {stage}"


def compare_outs(
    checkout: Checkout, locations: Collection[str], signed: Mapping[str, Content]
) -> None:
    """Compare outs with ``dvc.lock`` and with what was signed.

    Raises:
        OutChangedError: an out is not the one that its stage wrote.
    """
    checkout.forget_locks()
    for location in locations:
        stage = checkout.manifest.producer.get(location)
        if stage is None or stage.is_source or "://" in location:
            continue
        now = checkout.read(location)
        path = next(one.path for one in stage.outs if one.location == location)
        recorded = (checkout.recorded(stage) or {}).get("outs", ())
        items = [one for one in recorded if one["path"] == path and one.get("hash") == "md5"]
        differs = now is not None and any(one.get("md5") not in (None, now.md5) for one in items)
        if differs or (location in signed and now != signed[location]):
            raise OutChangedError(
                f"out changed after its stage wrote it: {location}",
                f"let only {stage.name} write it, then run again: ml-assets run",
            )


def files_of(content: Content) -> dict[str, str]:
    """Return the sha256 of each file by its path in a model; the path of a single file is ``.``."""
    if content.entries is None:
        return {".": content.sha256}
    return {entry.path: entry.sha256 for entry in content.entries}


def model_statement(location: str, content: Content, unproven: str | None = None) -> Statement:
    """Return the statement to sign for a model.

    Args:
        unproven: the reason to sign it without provenance.
    """
    return write_model_statement(location.rpartition("/")[2], files_of(content), unproven)
