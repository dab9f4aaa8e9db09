"""The public key: ECDSA on the curve P-256, identified by the digest of its PEM."""

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
    """A public key is malformed, or of another kind."""

    kind = "key"


class SignatureError(SecurityError):
    """A signature does not verify.

    Attributes:
        exit_code: 1: it was checked, and is wrong.
    """

    kind = "signature"
    exit_code = 1


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies signatures (FIPS 186-5, ECDSA with P-256 and SHA-256)."""

    key: ec.EllipticCurvePublicKey

    @cached_property
    def pem(self) -> bytes:
        """PEM of the SubjectPublicKeyInfo (RFC 7468 section 13)."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @cached_property
    def id(self) -> str:
        """The sha256 of its PEM, as in bundles of ``model_signing``."""
        return hashlib.sha256(self.pem).hexdigest()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Verify a signature (DER, RFC 3279 section 2.2.3) of a message.

        Raises:
            SignatureError: the key did not sign this message.
        """
        try:
            self.key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise SignatureError(
                "signature does not verify: another key, or changed bytes",
                f"compare with the original; key: {self.id}",
            ) from error


def load_public_key(pem: bytes) -> PublicKey:
    """Load a public key from PEM.

    Raises:
        PublicKeyError: it is malformed, or of another kind or curve.
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
    """Return a loaded key of the supported kind.

    Raises:
        PublicKeyError: it is of another kind or curve.
    """
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PublicKeyError("unsupported kind of key", "use an ECDSA key on the curve P-256")
    return PublicKey(key)
