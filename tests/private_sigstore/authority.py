"""The authority: a key with its certificate, and what it takes to issue others."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

ORGANIZATION = "private-sigstore.invalid"
_YEARS = datetime.timedelta(days=3650)
_EARLIER = datetime.timedelta(days=1)


@dataclass(frozen=True)
class SigningKey:
    """An ECDSA key on P-256, with the forms in which Sigstore names it."""

    private: ec.EllipticCurvePrivateKey

    @classmethod
    def generate(cls) -> SigningKey:
        """Make one."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @property
    def der(self) -> bytes:
        """The public half: SubjectPublicKeyInfo, DER."""
        return self.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def id(self) -> bytes:
        """The sha256 of the public half: the id of a log (RFC 6962 section 3.2)."""
        return hashlib.sha256(self.der).digest()

    def sign(self, message: bytes) -> bytes:
        """Sign with SHA-256; DER."""
        return self.private.sign(message, ec.ECDSA(hashes.SHA256()))


@dataclass(frozen=True)
class Authority:
    """A key with a certificate."""

    key: SigningKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate, DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        """The certificate, PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")


def make_root(name: str) -> Authority:
    """Make an authority that vouches for itself."""
    key = SigningKey.generate()
    subject = _name(name)
    builder = start_certificate(subject, subject, key.private.public_key(), key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    builder = builder.add_extension(key_usage(issues=True), critical=True)
    return Authority(key, builder.sign(key.private, hashes.SHA256()))


def make_subordinate(
    name: str, parent: Authority, usage: ObjectIdentifier, *, issues: bool
) -> Authority:
    """Make what a root vouches for: an intermediate authority, or one that only signs."""
    key = SigningKey.generate()
    builder = start_certificate(
        _name(name), parent.certificate.subject, key.private.public_key(), parent.key
    )
    if issues:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    builder = builder.add_extension(key_usage(issues=issues), critical=True)
    stamps = usage == ExtendedKeyUsageOID.TIME_STAMPING
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=stamps)
    return Authority(key, builder.sign(parent.key.private, hashes.SHA256()))


def start_certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer_key: SigningKey,
    period: tuple[datetime.datetime, datetime.datetime] | None = None,
) -> x509.CertificateBuilder:
    """Start a certificate with what all have."""
    now = datetime.datetime.now(datetime.UTC)
    begin, end = period or (now - _EARLIER, now + _YEARS)
    builder = x509.CertificateBuilder(issuer, subject, public_key, x509.random_serial_number())
    return (
        builder.not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.private.public_key()),
            critical=False,
        )
    )


def key_usage(*, issues: bool) -> x509.KeyUsage:
    """Say what a key is for: issuing certificates, or signing anything else."""
    return x509.KeyUsage(
        digital_signature=not issues,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
