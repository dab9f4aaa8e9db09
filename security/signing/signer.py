"""The signer of statements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from security.signing.bundle import Bundle, BundleKind, write_key_bundle
from security.signing.envelope import Envelope, signed_message
from security.signing.identity import Identity
from security.signing.public_key import PublicKey


class Signer(Protocol):
    """Signs statements with one identity."""

    @property
    def identity(self) -> Identity:
        """The signer's identity."""

    def sign(self, payload: bytes) -> Bundle:
        """Sign a statement's bytes.

        Raises:
            ResourceError, SecurityError: the signer is unavailable or refuses.
        """


@dataclass(frozen=True)
class KeySigner:
    """Signs with a key.

    Attributes:
        public_key: its public half.
        sign_message: returns the key's ECDSA signature (DER) of a message.
    """

    public_key: PublicKey
    sign_message: Callable[[bytes], bytes]

    @property
    def identity(self) -> Identity:
        """The key's identity."""
        return Identity(BundleKind.KEY, self.public_key.id)

    def sign(self, payload: bytes) -> Bundle:
        """Sign a statement's bytes, and verify the signature before returning it."""
        message = signed_message(payload)
        signature = self.sign_message(message)
        self.public_key.verify(signature, message)
        return write_key_bundle(Envelope(payload, signature), self.public_key.id)
