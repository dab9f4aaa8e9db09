"""The certificate authority (Fulcio): certificates of ten minutes for who holds a token."""

import base64
import datetime
import hashlib
import struct
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

MINUTES = datetime.timedelta(minutes=1)
#: Claims of a token by the OID under which Fulcio writes them, as DER UTF8String.
CLAIMS = {
    "iss": "1.3.6.1.4.1.57264.1.8",
    "job_workflow_ref": "1.3.6.1.4.1.57264.1.9",
    "runner_environment": "1.3.6.1.4.1.57264.1.11",
    "repository_uri": "1.3.6.1.4.1.57264.1.12",
    "sha": "1.3.6.1.4.1.57264.1.13",
    "workflow_ref": "1.3.6.1.4.1.57264.1.18",
}
#: The issuer as older certificates have it, as bare bytes.
ISSUER = "1.3.6.1.4.1.57264.1.1"
TIMESTAMPS = "1.3.6.1.4.1.11129.2.4.2"


def new_key() -> ec.EllipticCurvePrivateKey:
    """A new key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def now() -> datetime.datetime:
    """The time."""
    return datetime.datetime.now(datetime.UTC)


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The DER of a key's public half (SubjectPublicKeyInfo)."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """The key usage of an authority, or of a signer."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def build(
    subject: str,
    key: Any,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    start: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    """The beginning of a certificate."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
        )
    )


def utf8(text: str) -> bytes:
    """DER of a UTF8String."""
    raw = text.encode()
    length = bytes([len(raw)]) if len(raw) < 128 else bytes([0x81, len(raw)])
    return b"\x0c" + length + raw


class Authority:
    """A root that certifies signers."""

    def __init__(self) -> None:
        """Make a root of its own, and a key of the certificate log."""
        self.key, self.log_key = new_key(), new_key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "private root")])
        builder = build(
            "private root",
            self.key.public_key(),
            name,
            self.key,
            now() - 10 * MINUTES,
            now() + 10_000 * MINUTES,
        )
        self.root = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            .add_extension(key_usage(signs_certificates=True), True)
            .sign(self.key, hashes.SHA256())
        )

    def certify(
        self, key: Any, claims: dict[str, Any], *, start: datetime.datetime | None = None
    ) -> x509.Certificate:
        """Certify a key for who the claims name, with a stamp of the certificate log."""
        begin = start or now() - datetime.timedelta(seconds=5)
        builder = build("", key, self.root.subject, self.key, begin, begin + 10 * MINUTES)
        builder = builder.add_extension(key_usage(signs_certificates=False), True)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False
        )
        identity = claims.get("email") or claims["sub"]
        name = (
            x509.RFC822Name(identity)
            if "@" in identity and "://" not in identity
            else x509.UniformResourceIdentifier(identity)
        )
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), True)
        issuer = x509.UnrecognizedExtension(ObjectIdentifier(ISSUER), claims["iss"].encode())
        builder = builder.add_extension(issuer, False)
        for claim, oid in CLAIMS.items():
            if claim in claims:
                extension = x509.UnrecognizedExtension(ObjectIdentifier(oid), utf8(claims[claim]))
                builder = builder.add_extension(extension, False)
        stamped = self._stamp(builder.sign(self.key, hashes.SHA256()).tbs_certificate_bytes)
        return builder.add_extension(stamped, False).sign(self.key, hashes.SHA256())

    def _stamp(self, certificate: bytes) -> x509.UnrecognizedExtension:
        """A signed certificate timestamp (RFC 6962 section 3.2) of what is to be certified."""
        at = int(now().timestamp() * 1000)
        issuer = hashlib.sha256(public_bytes(self.key)).digest()
        size = struct.pack("!I", len(certificate))[1:]
        signed = struct.pack("!BBQH", 0, 0, at, 1) + issuer + size + certificate + b"\0\0"
        signature = self.log_key.sign(signed, ec.ECDSA(hashes.SHA256()))
        log = hashlib.sha256(public_bytes(self.log_key)).digest()
        stamp = b"\0" + log + struct.pack("!QH", at, 0) + b"\4\3"
        stamp += struct.pack("!H", len(signature)) + signature
        listed = struct.pack("!H", len(stamp)) + stamp
        listed = struct.pack("!H", len(listed)) + listed
        octets = b"\x04" + (
            bytes([len(listed)]) if len(listed) < 128 else bytes([0x81, len(listed)])
        )
        return x509.UnrecognizedExtension(ObjectIdentifier(TIMESTAMPS), octets + listed)


def base64_text(content: bytes) -> str:
    """Base64 as text."""
    return base64.b64encode(content).decode()
