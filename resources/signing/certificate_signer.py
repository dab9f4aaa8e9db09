"""The certificate signer: a private key and its certificate chain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from resources.errors import ConfigurationError
from resources.signing.private_key import load_private_key
from security.signing.bundle import Bundle, BundleKind, write_certificate_bundle
from security.signing.envelope import Envelope, signed_message
from security.signing.identity import Identity


@dataclass(frozen=True)
class CertificateSigner:
    """Signs with a key and attaches its certificate chain.

    Attributes:
        chain: the signer's own certificate first.
    """

    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def identity(self) -> Identity:
        """The signer: the subject alternative name that the issuer certified."""
        names = self.chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        name = next((str(one.value) for one in names), "")
        return Identity(BundleKind.CERTIFICATES, name, self.chain[0].issuer.rfc4514_string())

    def sign(self, payload: bytes) -> Bundle:
        """Sign the bytes of a statement."""
        signature = self.key.sign(signed_message(payload), ec.ECDSA(hashes.SHA256()))
        chain = tuple(one.public_bytes(Encoding.DER) for one in self.chain)
        return write_certificate_bundle(Envelope(payload, signature), chain)


def open_certificate_signer(
    key: Path, certificates: bytes, passphrase: str | None
) -> CertificateSigner:
    """Open a key, and its certificate chain in PEM.

    Raises:
        UnavailableError: the key cannot be read, or other users can read it.
        ConfigurationError: the certificates are not valid, or for another key.
    """
    hint = "set signing.certificates to a PEM file with the signer's certificate first"
    try:
        chain = tuple(x509.load_pem_x509_certificates(certificates))
    except ValueError as error:
        raise ConfigurationError(f"cannot read certificates: {error}", hint) from error
    private = load_private_key(key, passphrase)
    if chain[0].public_key() != private.public_key():
        raise ConfigurationError(f"certificate for another key: {key}", hint)
    return CertificateSigner(private, chain)
