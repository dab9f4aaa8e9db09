"""The public key: an ECDSA key on the curve P-256, known by the digest of its bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from security.errors import SecurityError

_LARGEST = 64 << 10  # bytes of a PEM file


class PublicKeyError(SecurityError):
    """A key is none, or none of the kind that is used here."""

    kind = "key"


class SignatureError(SecurityError):
    """A signature is not what it should be. It proves nothing, whatever the reason.

    Attributes:
        exit_code: 1: it was judged, and is wrong.
    """

    kind = "signature"
    exit_code = 1


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies signatures (FIPS 186-5, ECDSA with P-256 and SHA-256)."""

    key: ec.EllipticCurvePublicKey

    @cached_property
    def pem(self) -> bytes:
        """Its bytes: PEM of the SubjectPublicKeyInfo (RFC 7468 section 13)."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @cached_property
    def id(self) -> str:
        """Its name: the sha256 of its PEM, as ``model_signing`` writes it into bundles."""
        return hashlib.sha256(self.pem).hexdigest()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Verify a signature (DER, RFC 3279 section 2.2.3) of a message.

        Raises:
            SignatureError: it is not this key's signature of these bytes.
        """
        try:
            self.key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise SignatureError(
                "the signature is not this key's, or other bytes were signed",
                f"look at what was changed; the key: {self.id}",
            ) from error


def load_public_key(pem: bytes) -> PublicKey:
    """Load a public key from PEM.

    Raises:
        PublicKeyError: it is none, or one of another kind or curve.
    """
    hint = "give the PEM of an ECDSA P-256 public key"
    if len(pem) > _LARGEST:
        raise PublicKeyError("not a public key: too large", hint)
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PublicKeyError(f"not a public key: {error}", hint) from error
    return take_public_key(key)


def take_public_key(key: object) -> PublicKey:
    """Take a key that was loaded.

    Raises:
        PublicKeyError: it is of another kind or curve.
    """
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PublicKeyError("a key of another kind", "use an ECDSA key on the curve P-256")
    return PublicKey(key)
