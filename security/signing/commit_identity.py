"""The commit identity: the keyless signature of a commit by gitsign in offline mode.

The signed and logged bytes are the signed attributes of a CMS signature, which include the commit's
digest. Everything else is verified like any keyless signature.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from security.content.document import write_json
from security.content.printable import printable
from security.content.protobuf import Message
from security.signing.bundle import MEDIA_TYPE
from security.signing.cms_signature import CmsSignature, parse_cms
from security.signing.keyless_certificate import parse_keyless_certificate
from security.signing.keyless_signature import verify_keyless_message
from security.signing.public_key import SignatureError
from security.signing.signed_commit import SignedCommit
from security.signing.trust import TrustedIdentity, parse_identities

#: The list of trusted keyless identities; the trusted roots lie next to it.
FILE = "keyless.toml"
_KIND, _VERSION = "hashedrekord", "0.0.1"


def verify_commit_identity(signed: SignedCommit, files: Mapping[str, bytes], where: str) -> str:
    """Verify a commit's keyless signature. The steps, each with the attack that it stops:

    1. It is a signature of these bytes (``security.signing.cms_signature``).
    2. It has a log entry: without one, only the signer states the time.
    3. The certificate names one identity and one issuer, and the pair is trusted.
    4. Sigstore verifies it like any keyless signature (``keyless_signature``). The entry's body is
       rebuilt from the signed bytes: an entry of another signature does not verify.
    5. The signer is not revoked, and was valid when the log took the entry.

    Args:
        files: the protected branch's files, by name.
        where: their directory, for messages.

    Returns:
        The signer, as text for people.

    Raises:
        SignatureError: a step fails.
        PolicyError: the list cannot be read.
    """
    hint = f"check {where}/{FILE} of the protected branch"
    if FILE not in files:
        raise SignatureError("no trusted gitsign identities", f"add {where}/{FILE}")
    identities = parse_identities(files[FILE], files, f"{where}/{FILE}")
    found = parse_cms(signed.signature, signed.payload)  # 1
    if not found.entry:  # 2
        raise SignatureError(
            "gitsign signature without a log entry cannot be verified offline",
            "sign it again with: GITSIGN_REKOR_MODE=offline",
        )
    identity = parse_keyless_certificate(found.certificate)  # 3
    pair = (identity.name, identity.issuer)
    shown = f"{printable(pair[0])}, issued by {printable(pair[1])}"
    trusted = [one for one in identities if (one.identity, one.issuer) == pair]
    if not trusted:
        raise SignatureError(f"not trusted: {shown}", hint)
    one, at = _verify_any(found, trusted, hint)  # 4
    _check(one, at, hint)  # 5
    return f"{shown} (gitsign)"


def _verify_any(
    found: CmsSignature, trusted: list[TrustedIdentity], hint: str
) -> tuple[TrustedIdentity, datetime.datetime]:
    """Verify with the first root that succeeds; revoked entries come first and stay revoked."""
    bundle = _make_bundle(found)
    *others, last = sorted(trusted, key=lambda one: one.revoked is None)
    for one in others:
        try:
            return one, verify_keyless_message(bundle, found.signed, one, hint)
        except SignatureError:
            continue  # the next one has to verify it, or the last one raises
    return last, verify_keyless_message(bundle, found.signed, last, hint)


def _check(one: TrustedIdentity, at: datetime.datetime, hint: str) -> None:
    """Check that a signer was valid at a time; see 5."""
    if one.revoked is not None:
        raise SignatureError(f"signer revoked: {one.name}", hint)
    if one.since is not None and at < one.since or one.until is not None and at >= one.until:
        raise SignatureError(f"signed outside the validity of {one.name}: {at:%F %T}", hint)


def _make_bundle(found: CmsSignature) -> bytes:
    """Write a signature as a Sigstore bundle."""
    try:
        entry = _read_entry(found)
    except ValueError as error:
        raise SignatureError(
            f"not a log entry: {printable(str(error))}", "sign it again"
        ) from error
    digest = hashlib.sha256(found.signed).digest()
    return write_json(
        {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {
                "certificate": {"rawBytes": _base64(found.certificate)},
                "tlogEntries": [entry],
            },
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": _base64(digest)},
                "signature": _base64(found.signature),
            },
        }
    )


def _read_entry(found: CmsSignature) -> dict[str, object]:
    """Return the entry (``TransparencyLogEntry`` of protobuf-specs) as JSON values."""
    entry = Message(found.entry, single=range(1, 8))
    kind = Message(entry.octets(3), single=(1, 2))
    if (kind.text(1), kind.text(2)) != (_KIND, _VERSION):
        raise ValueError(f"not {_KIND} {_VERSION}: {kind.text(1)} {kind.text(2)}")
    body = _make_body(found)
    if entry.octets(7) not in (b"", body):
        raise ValueError("body of another signature")
    proof = Message(entry.octets(6), single=(1, 2, 3, 5), repeated=(4,))
    promise = Message(entry.octets(5), single=(1,)).octets(1)
    if not promise:
        raise ValueError("no promise of the log, and so no time of signing")
    return {
        "logIndex": str(entry.number(1)),
        "logId": {"keyId": _base64(Message(entry.octets(2), single=(1,)).octets(1))},
        "kindVersion": {"kind": _KIND, "version": _VERSION},
        "integratedTime": str(entry.number(4)),
        "inclusionPromise": {"signedEntryTimestamp": _base64(promise)},
        "inclusionProof": {
            "logIndex": str(proof.number(1)),
            "rootHash": _base64(proof.octets(2)),
            "treeSize": str(proof.number(3)),
            "hashes": [_base64(one) for one in proof.all_octets(4)],
            "checkpoint": {"envelope": Message(proof.octets(5), single=(1,)).text(1)},
        },
        "canonicalizedBody": _base64(body),
    }


def _make_body(found: CmsSignature) -> bytes:
    """Write the body of this signature's entry (Rekor, ``hashedrekord`` 0.0.1)."""
    pem = x509.load_der_x509_certificate(found.certificate).public_bytes(Encoding.PEM)
    digest = hashlib.sha256(found.signed).hexdigest()
    spec = {
        "data": {"hash": {"algorithm": "sha256", "value": digest}},
        "signature": {
            "content": _base64(found.signature),
            "publicKey": {"content": _base64(pem)},
        },
    }
    return write_json({"apiVersion": _VERSION, "kind": _KIND, "spec": spec})


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
