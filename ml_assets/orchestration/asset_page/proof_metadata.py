"""The proof table: the verified statements about an out, on Dagster's page of the asset.

The table is display; ``ml-assets verify`` verifies the statements again.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from ml_assets.proof.attestation import identify_content
from ml_assets.proof.out_contents import files_of
from resources.dvc.cache.content import Content
from security.content.printable import printable
from security.errors import SecurityError
from security.signing import model_signature
from security.signing.model_signature import root_digest
from security.signing.signature import Verified
from security.statements import provenance
from security.statements.statement import identify
from security.verify import verification_summary
from security.verify.verification_summary import parse_summary
from security.verify.verified_statements import VerifiedStatements

_COLUMNS = ("statement", "says", "signed by", "digest")


def proof_metadata(
    records: VerifiedStatements, content: Content, ledger: str
) -> dict[str, dg.MetadataValue]:
    """Describe the statements about an out; empty without statements.

    Args:
        ledger: the display name of the ledger.
    """
    digest = identify_content(content)
    made = records.about(identify(digest), provenance.PREDICATE)
    signed = records.about(root_digest(files_of(content)), model_signature.PREDICATE)
    verdicts = dict(_verdicts(records, identify(digest)))
    rows = [_row("provenance", "how the out was made", one) for one in made[:1]]
    rows += [
        _row("verification summary", f"{result} for {name}", one)
        for name, (result, one) in verdicts.items()
    ]
    rows += [_row("model signature", "the model has passed", one) for one in signed[:1]]
    if not rows:
        return {}
    values: dict[str, dg.MetadataValue] = {
        f"verdict/{name}": dg.MetadataValue.text(result) for name, (result, _) in verdicts.items()
    }
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in _COLUMNS])
    values["statements"] = dg.MetadataValue.table(records=rows, schema=schema)
    values["ledger"] = dg.MetadataValue.text(ledger)
    values["verify"] = dg.MetadataValue.text(
        f"ml-assets verify {next(iter(digest))}:{content.sha256}"
    )
    return values


def _verdicts(
    records: VerifiedStatements, digest: str
) -> Iterator[tuple[str, tuple[str, Verified]]]:
    """Yield the decisions by environment, oldest first, so that the last one wins in a dict."""
    for verified in reversed(records.about(digest, verification_summary.PREDICATE)):
        try:
            summary = parse_summary(verified.statement)
        except SecurityError:
            continue  # another program's summary decides nothing here
        yield summary.environment, ("passed" if summary.passed else "failed", verified)


def _row(kind: str, says: str, verified: Verified) -> dg.TableRecord:
    texts = (kind, printable(says), printable(str(verified.identity)), verified.bundle.sha256)
    return dg.TableRecord(dict(zip(_COLUMNS, texts, strict=True)))
