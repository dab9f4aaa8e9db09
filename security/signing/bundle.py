"""The bundle: an envelope with what it takes to verify it offline, in one file.

Specification: Sigstore bundle v0.3 (``application/vnd.dev.sigstore.bundle.v0.3+json``). Three kinds
are used: signed by a key, which is only named by its digest (``hint``); by a key with a chain of
certificates; and keyless, by a certificate of a few minutes with an entry in a public log.
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
#: How ``model_signing`` 1.1 writes bundles with chains of certificates.
_CHAIN = "x509CertificateChain"
_MOST_CERTIFICATES = 10
_FIELDS = ("mediaType", "verificationMaterial", "dsseEnvelope")
_WAYS = ("publicKey", "certificate", _CHAIN)


class Kind(Enum):
    """Who vouches for the key of a signature."""

    KEY = "key"
    CERTIFICATES = "certificates"
    KEYLESS = "keyless"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A signed statement.

    Attributes:
        content: its bytes, as they are stored and handed on.
        hint: of a key's bundle: the key's id.
        certificates: DER, that of the signature's key first.
    """

    content: bytes
    kind: Kind
    envelope: Envelope
    hint: str = ""
    certificates: tuple[bytes, ...] = ()

    @property
    def sha256(self) -> str:
        """The name under which it is stored."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def statement(self) -> Statement:
        """What is claimed; believe it only after the signature was verified.

        Raises:
            StatementError: it is no statement.
        """
        return parse_statement(self.envelope.payload)


def write_key_bundle(envelope: Envelope, key_id: str) -> Bundle:
    """Write the bundle of a signature that was made with a key."""
    return _write(envelope, {"publicKey": {"hint": key_id}})


def write_certificate_bundle(envelope: Envelope, chain: tuple[bytes, ...]) -> Bundle:
    """Write the bundle of a signature whose key a chain of certificates vouches for.

    Args:
        chain: DER, that of the signature's key first.
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

    1. Strict JSON: two readers must not see two bundles under one name.
    2. The media type of this version, and an envelope: not a signature of bare bytes, which says
       nothing of what they are.
    3. One way to know the key: not a key and a certificate, of which readers choose.
    4. What is no keyless bundle has no entries of a log, which nobody would look at.
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
            f"not a bundle: {error}", "look who made it, and sign again"
        ) from error
    return Bundle(content, kind, envelope, hint, certificates)


def _parse_material(material: Field) -> tuple[Kind, str, tuple[bytes, ...]]:
    material.only((), (*_WAYS, "tlogEntries", "timestampVerificationData"))
    ways = [name for name in _WAYS if name in material.mapping()]
    if len(ways) != 1:
        raise material.wrong("not exactly one key or certificate")
    (way,) = ways
    if way == "certificate":
        return Kind.KEYLESS, "", (_raw_bytes(material.get(way)),)
    for name, empty in (("tlogEntries", []), ("timestampVerificationData", {})):
        if material.mapping().get(name, empty) != empty:
            raise material.get(name).wrong("an entry of a log that is not verified")
    if way == "publicKey":
        return Kind.KEY, material.get(way).only(("hint",)).get("hint").text(), ()
    chain = list(material.get(way).only(("certificates",)).get("certificates").items())
    if not 0 < len(chain) <= _MOST_CERTIFICATES:
        raise material.get(way).unlike(f"a chain of 1 to {_MOST_CERTIFICATES} certificates")
    return Kind.CERTIFICATES, "", tuple(_raw_bytes(one) for one in chain)


def _raw_bytes(certificate: Field) -> bytes:
    return decode(certificate.only(("rawBytes",)).get("rawBytes"))
