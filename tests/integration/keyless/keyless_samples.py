"""Samples of the keyless tests: what a job signed, whom to trust, and how to change both."""

import base64
import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from resources.signing.keyless_signer import TOKEN_VARIABLE, KeylessSigner
from security.signing.bundle import Bundle, parse_bundle
from security.signing.trust import Trust, TrustedIdentity
from security.statements.provenance import write_provenance
from tests.private_sigstore.oidc import WORKFLOW
from tests.private_sigstore.server import PrivateSigstore
from tests.unit.security.statements.statement_samples import run

#: By which something is found that gives out tokens.
AMBIENT_VARIABLES = (
    TOKEN_VARIABLE,
    "GITHUB_ACTIONS",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "BUILDKITE",
    "CIRCLECI",
    "GITLAB_CI",
)
Change = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class Signed:
    """Bundles over one statement each.

    Attributes:
        v1: in the log of version 1, which tells the time.
        v1_stamped: the same with a time stamp besides.
        v2: in the log of version 2, where only the time stamp tells it.
    """

    v1: Bundle
    v1_stamped: Bundle
    v2: Bundle


def make_statement(name: str = "model") -> bytes:
    """A provenance of now."""
    at = datetime.datetime.now(datetime.UTC)
    return write_provenance(run(name, started=at, finished=at)).payload


def open_signer(
    sigstore: PrivateSigstore, rekor: int = 1, stamps: bool | None = None
) -> KeylessSigner:
    """What signs there."""
    return KeylessSigner(json.dumps(sigstore.trust_configuration(rekor, stamps=stamps)))


def sign_as_job(sigstore: PrivateSigstore, *, rekor: int, stamps: bool) -> Bundle:
    """Sign with the identity that is around."""
    return open_signer(sigstore, rekor, stamps).sign(make_statement())


def make_entry(
    sigstore: PrivateSigstore, change: Change | None = None, **values: Any
) -> TrustedIdentity:
    """An entry of the list of signers: the job's workflow, with a root that may be changed."""
    root = sigstore.trusted_root()
    if change is not None:
        change(root)
    usual = {"identity": WORKFLOW, "issuer": sigstore.url, "root": json.dumps(root).encode()}
    return TrustedIdentity("the workflow", **{**usual, **values})


def trusting(*entries: TrustedIdentity) -> Trust:
    """A trust in some identities."""
    return Trust({}, identities=entries)


def change_bundle(bundle: Bundle, change: Change) -> Bundle:
    """The bundle with a change of its JSON."""
    body = json.loads(bundle.content)
    change(body)
    return parse_bundle(json.dumps(body).encode())


def entry_of(body: dict[str, Any]) -> dict[str, Any]:
    """The entry of the log in a bundle's JSON."""
    found: dict[str, Any] = body["verificationMaterial"]["tlogEntries"][0]
    return found


def stamps_of(body: dict[str, Any]) -> list[dict[str, str]]:
    """The time stamps in a bundle's JSON."""
    data = body["verificationMaterial"]["timestampVerificationData"]
    found: list[dict[str, str]] = data["rfc3161Timestamps"]
    return found


def flip(text: str, at: int = -5) -> str:
    """Base64 of the same bytes but for one bit."""
    raw = bytearray(base64.b64decode(text))
    raw[at] ^= 1
    return base64.b64encode(raw).decode("ascii")
