"""The signer: what can put a signature under a statement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from security.signing.bundle import Bundle, Kind, write_key_bundle
from security.signing.envelope import Envelope, signed_message
from security.signing.identity import Identity
from security.signing.public_key import PublicKey


class Signer(Protocol):
    """Signs statements in one name."""

    @property
    def identity(self) -> Identity:
        """Who signs."""

    def sign(self, payload: bytes) -> Bundle:
        """Sign a statement's bytes.

        Raises:
            ResourceError, SecurityError: they cannot be signed now.
        """


@dataclass(frozen=True)
class KeySigner:
    """Signs with a key.

    Attributes:
        public_key: its public half.
        sign_message: gives its ECDSA signature (DER) of some bytes, wherever the key lies.
    """

    public_key: PublicKey
    sign_message: Callable[[bytes], bytes]

    @property
    def identity(self) -> Identity:
        """Who signs: the key."""
        return Identity(Kind.KEY, self.public_key.id)

    def sign(self, payload: bytes) -> Bundle:
        """Sign a statement's bytes; what the key gave is verified before anybody gets it."""
        message = signed_message(payload)
        signature = self.sign_message(message)
        self.public_key.verify(signature, message)
        return write_key_bundle(Envelope(payload, signature), self.public_key.id)
