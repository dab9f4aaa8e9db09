"""The bundle: an envelope with its verification material, in one file.

Specification: Sigstore bundle v0.3 (``application/vnd.dev.sigstore.bundle.v0.3+json``). Three kinds
are used: signed by a key, which the ``hint`` names by digest; by a key with a certificate chain;
and keyless, by a short-lived certificate with an entry in a public log.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Any

from security.content.document import parse_json, write_json
from security.content.field import Field
from security.signing.envelope import Envelope, decode, parse_envelope
from security.signing.public_key import SignatureError
from security.statements.statement import Statement, parse_statement

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
#: The field of certificate chains, as ``model_signing`` 1.1 writes it.
_CHAIN = "x509CertificateChain"
_MOST_CERTIFICATES = 10
_FIELDS = ("mediaType", "verificationMaterial", "dsseEnvelope")
_WAYS = ("publicKey", "certificate", _CHAIN)


class BundleKind(Enum):
    """The way that a bundle identifies its signer."""

    KEY = "key"
    CERTIFICATES = "certificates"
    KEYLESS = "keyless"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A signed statement.

    Attributes:
        content: its bytes, as stored.
        hint: the key's id, for a bundle signed by a key.
        certificates: DER, the signer's first.
    """

    content: bytes
    kind: BundleKind
    envelope: Envelope
    hint: str = ""
    certificates: tuple[bytes, ...] = ()

    @property
    def sha256(self) -> str:
        """Its digest, which is its name in the ledger."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def statement(self) -> Statement:
        """Its statement, not yet verified.

        Raises:
            StatementError: the payload is not a statement.
        """
        return parse_statement(self.envelope.payload)


def write_key_bundle(envelope: Envelope, key_id: str) -> Bundle:
    """Write a bundle signed by a key."""
    return _write(envelope, {"publicKey": {"hint": key_id}})


def write_certificate_bundle(envelope: Envelope, chain: tuple[bytes, ...]) -> Bundle:
    """Write a bundle signed by a key with a certificate chain.

    Args:
        chain: DER, the signer's certificate first.
    """
    certificates = [{"rawBytes": base64.b64encode(one).decode("ascii")} for one in chain]
    return _write(envelope, {_CHAIN: {"certificates": certificates}})


def _write(envelope: Envelope, material: dict[str, Any]) -> Bundle:
    body = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {**material, "tlogEntries": []},
        "dsseEnvelope": envelope.to_json(),
    }
    return parse_bundle(write_json(body))


def parse_bundle(content: bytes) -> Bundle:
    """Read a bundle. The steps, each with the attack that it stops:

    1. Strict JSON: two readers could see two bundles under one name.
    2. The media type of this version, and an envelope: a signature of bare bytes has no meaning.
    3. Exactly one signer: of a key and a certificate, readers could choose either.
    4. No log entries or time stamps outside keyless bundles: they would go unverified.
    5. The envelope, strictly (``security.signing.envelope``).

    Raises:
        SignatureError: a step finds something else.
    """
    try:
        body = Field(parse_json(content)).only(_FIELDS)  # 1, 2
        if body.get("mediaType").value != MEDIA_TYPE:
            raise body.get("mediaType").unlike(MEDIA_TYPE)
        kind, hint, certificates = _parse_material(body.get("verificationMaterial"))  # 3, 4
        envelope = parse_envelope(body.get("dsseEnvelope"))  # 5
    except ValueError as error:
        raise SignatureError(
            f"not a bundle: {error}", "check its source, and sign again"
        ) from error
    return Bundle(content, kind, envelope, hint, certificates)


def _parse_material(material: Field) -> tuple[BundleKind, str, tuple[bytes, ...]]:
    material.only((), (*_WAYS, "tlogEntries", "timestampVerificationData"))
    ways = [name for name in _WAYS if name in material.mapping()]
    if len(ways) != 1:
        raise material.wrong("not exactly one signer")
    (way,) = ways
    if way == "certificate":
        return BundleKind.KEYLESS, "", (_raw_bytes(material.get(way)),)
    for name, empty in (("tlogEntries", []), ("timestampVerificationData", {})):
        if material.mapping().get(name, empty) != empty:
            raise material.get(name).wrong("unverifiable log entry")
    if way == "publicKey":
        return BundleKind.KEY, material.get(way).only(("hint",)).get("hint").text(), ()
    chain = list(material.get(way).only(("certificates",)).get("certificates").items())
    if not 0 < len(chain) <= _MOST_CERTIFICATES:
        raise material.get(way).unlike(f"a chain of 1 to {_MOST_CERTIFICATES} certificates")
    return BundleKind.CERTIFICATES, "", tuple(_raw_bytes(one) for one in chain)


def _raw_bytes(certificate: Field) -> bytes:
    return decode(certificate.only(("rawBytes",)).get("rawBytes"))
