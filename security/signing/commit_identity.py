"""The commit's identity: a keyless signature of a commit, as gitsign makes it in offline mode.

What is signed, and in the log, are the signed attributes of a CMS signature, which hold the digest
of the commit. The rest is what any keyless signature has, so that it is verified as one.
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

#: Whose keyless signatures count, beside the trusted roots that it names.
FILE = "keyless.toml"
_KIND, _VERSION = "hashedrekord", "0.0.1"


def verify_commit_identity(signed: SignedCommit, files: Mapping[str, bytes], where: str) -> str:
    """Verify a commit's keyless signature. The steps, each with the attack that it stops:

    1. It is the signature of these bytes (``security.signing.cms_signature``).
    2. It has an entry of the log: without one, nobody but the signer says when it was made.
    3. The certificate names one identity and one issuer, and the pair is in the list.
    4. Sigstore verifies it as it verifies any (``keyless_signature``). The body of the
       entry is made anew from what was signed: a log's word on anything else does not fit.
    5. Who signed is not revoked, and might sign when the log took the entry.

    Args:
        files: the protected branch's, by name.
        where: they are, for messages.

    Returns:
        Who signed, for people to read.

    Raises:
        SignatureError: a step finds something else.
        PolicyError: the list cannot be read.
    """
    hint = f"look at {where}/{FILE} of the protected branch"
    if FILE not in files:
        raise SignatureError("nobody is trusted to sign with gitsign", f"add {where}/{FILE}")
    identities = parse_identities(files[FILE], files, f"{where}/{FILE}")
    found = parse_cms(signed.signature, signed.payload)  # 1
    if not found.entry:  # 2
        raise SignatureError(
            "signed by gitsign without an entry of the log, which cannot be judged offline",
            "sign it again with: GITSIGN_REKOR_MODE=offline",
        )
    identity = parse_keyless_certificate(found.certificate)  # 3
    pair = (identity.name, identity.issuer)
    shown = f"{printable(pair[0])}, vouched for by {printable(pair[1])}"
    trusted = [one for one in identities if (one.identity, one.issuer) == pair]
    if not trusted:
        raise SignatureError(f"not trusted: {shown}", hint)
    one, at = _verify_any(found, trusted, hint)  # 4
    _check(one, at, hint)  # 5
    return f"{shown} (gitsign)"


def _verify_any(
    found: CmsSignature, trusted: list[TrustedIdentity], hint: str
) -> tuple[TrustedIdentity, datetime.datetime]:
    """Verify with the first root that does, of those who are revoked first: they stay revoked."""
    bundle = _make_bundle(found)
    *others, last = sorted(trusted, key=lambda one: one.revoked is None)
    for one in others:
        try:
            return one, verify_keyless_message(bundle, found.signed, one, hint)
        except SignatureError:
            continue  # the next one has to verify it, or the last one raises
    return last, verify_keyless_message(bundle, found.signed, last, hint)


def _check(one: TrustedIdentity, at: datetime.datetime, hint: str) -> None:
    """Check that somebody might sign at a time; see 5."""
    if one.revoked is not None:
        raise SignatureError(f"the signer is revoked: {one.name}", hint)
    if one.since is not None and at < one.since or one.until is not None and at >= one.until:
        raise SignatureError(f"signed when {one.name} might not: {at:%F %T}", hint)


def _make_bundle(found: CmsSignature) -> bytes:
    """Write a signature as a Sigstore bundle."""
    try:
        entry = _read_entry(found)
    except ValueError as error:
        raise SignatureError(
            f"not an entry of the log: {printable(str(error))}", "sign it again"
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
    """Read the entry (``TransparencyLogEntry`` of protobuf-specs) as JSON has it."""
    entry = Message(found.entry, single=range(1, 8))
    kind = Message(entry.octets(3), single=(1, 2))
    if (kind.text(1), kind.text(2)) != (_KIND, _VERSION):
        raise ValueError(f"not of the kind {_KIND} {_VERSION}: {kind.text(1)} {kind.text(2)}")
    body = _make_body(found)
    if entry.octets(7) not in (b"", body):
        raise ValueError("its body is not of this signature")
    proof = Message(entry.octets(6), single=(1, 2, 3, 5), repeated=(4,))
    promise = Message(entry.octets(5), single=(1,)).octets(1)
    if not promise:
        raise ValueError("the log has not promised it, so that nobody says when it was signed")
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
    """Write the body that the entry of this signature has (Rekor, ``hashedrekord`` 0.0.1)."""
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
