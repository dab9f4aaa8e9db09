"""Fulcio: certificates of ten minutes for who holds a token, promised to a certificate log.

Specification: Fulcio's ``docs/oid-info.md`` and ``docs/certificate-specification.md``; RFC 6962
section 3.2 for the promise (SCT) inside of a certificate.
"""

from __future__ import annotations

import base64
import datetime
import struct
from collections.abc import Mapping
from typing import Any

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from tests.private_sigstore.authority import (
    SigningKey,
    key_usage,
    make_root,
    make_subordinate,
    start_certificate,
)
from tests.private_sigstore.behaviour import Behaviour
from tests.private_sigstore.oidc import IdentityProvider

_ARC = "1.3.6.1.4.1.57264.1"
_SCTS = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_LIFE = datetime.timedelta(minutes=10)
_SOONER = datetime.timedelta(seconds=1)
_GITHUB = "https://github.com"
#: Claims of a job by the last number of the extension that has them; below 7 they are bare bytes.
_PLAIN = {
    2: "event_name",
    3: "sha",
    5: "repository",
    6: "ref",
    10: "job_workflow_sha",
    11: "runner_environment",
    13: "sha",
    14: "ref",
    15: "repository_id",
    17: "repository_owner_id",
    19: "workflow_sha",
    20: "event_name",
    22: "repository_visibility",
}
_ADDRESSES = {9: "job_workflow_ref", 12: "repository", 16: "repository_owner", 18: "workflow_ref"}


class Fulcio:
    """The certificate authority with its certificate log."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider
        self.root = make_root("certificate root")
        self.authority = make_subordinate(
            "certificate authority", self.root, ExtendedKeyUsageOID.CODE_SIGNING, issues=True
        )
        self.log_key = SigningKey.generate()

    def issue(self, request: Mapping[str, Any], token: str, behaviour: Behaviour) -> dict[str, Any]:
        """Issue a certificate for who holds this token.

        Raises:
            Exception: the token is not good, or the request is none.
        """
        claims = self._provider.verify(token)
        asked = x509.load_pem_x509_csr(base64.b64decode(request["certificateSigningRequest"]))
        public_key = asked.public_key()
        if not asked.is_signature_valid or not isinstance(public_key, ec.EllipticCurvePublicKey):
            raise ValueError("not a request of who holds the key")
        builder = self._describe(public_key, claims, behaviour)
        sct = self._promise(builder, behaviour)
        leaf = builder.add_extension(sct, critical=False).sign(
            self.authority.key.private, hashes.SHA256()
        )
        pem = leaf.public_bytes(Encoding.PEM).decode("ascii")
        chain = [pem, self.authority.pem, self.root.pem]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}

    def _describe(
        self, public_key: ec.EllipticCurvePublicKey, claims: Mapping[str, Any], behaviour: Behaviour
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = start_certificate(
            x509.Name([]),
            self.authority.certificate.subject,
            public_key,
            self.authority.key,
            (now - _SOONER, now + _LIFE),
        )
        if behaviour.authority:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        builder = builder.add_extension(key_usage(issues=False), critical=True)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
        )
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(claims)]), critical=True)
        said = _extensions(claims)
        said[1] = behaviour.first_issuer or said[1]
        for number, value in said.items():
            plain = value.encode("utf-8")
            content = plain if number < 7 else core.UTF8String(value).dump()
            extension = x509.UnrecognizedExtension(ObjectIdentifier(f"{_ARC}.{number}"), content)
            builder = builder.add_extension(extension, critical=False)
        return builder

    def _promise(
        self, builder: x509.CertificateBuilder, behaviour: Behaviour
    ) -> x509.UnrecognizedExtension:
        """Promise that a certificate will be logged; what is signed is the one without promise."""
        bare = builder.sign(self.authority.key.private, hashes.SHA256()).tbs_certificate_bytes
        at = int(datetime.datetime.now(datetime.UTC).timestamp() * 1000)
        length = struct.pack("!I", len(bare))[1:]
        entry = struct.pack("!BBQH", 0, 0, at, 1) + self.authority.key.id + length + bare + b"\0\0"
        key = SigningKey.generate() if behaviour.foreign_sct else self.log_key
        signature = key.sign(entry)
        signed = b"\x04\x03" + struct.pack("!H", len(signature)) + signature
        sct = b"\0" + self.log_key.id + struct.pack("!QH", at, 0) + signed
        listed = struct.pack("!H", len(sct)) + sct
        content = struct.pack("!H", len(listed)) + listed
        return x509.UnrecognizedExtension(_SCTS, core.OctetString(content).dump())


def _name(claims: Mapping[str, Any]) -> x509.GeneralName:
    if "email" in claims:
        return x509.RFC822Name(claims["email"])
    if "job_workflow_ref" in claims:
        return x509.UniformResourceIdentifier(f"{_GITHUB}/{claims['job_workflow_ref']}")
    return x509.UniformResourceIdentifier(claims["sub"])


def _extensions(claims: Mapping[str, Any]) -> dict[int, str]:
    """Return what is said of the run, by the last number of the extension."""
    found = {1: claims["iss"], 8: claims["iss"]}
    found |= {number: claims[name] for number, name in _PLAIN.items() if name in claims}
    found |= {
        number: f"{_GITHUB}/{claims[name]}" for number, name in _ADDRESSES.items() if name in claims
    }
    if "run_id" in claims:
        run = f"{claims['run_id']}/attempts/{claims['run_attempt']}"
        found[21] = f"{_GITHUB}/{claims['repository']}/actions/runs/{run}"
    return found
