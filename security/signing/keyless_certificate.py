"""The keyless certificate: its identity, its issuer and its claims about the run.

Specification: Fulcio's ``docs/certificate-specification.md`` and ``docs/oid-info.md``. The
issuer's signature is verified elsewhere (``security.signing.keyless_signature``).
"""

from __future__ import annotations

from cryptography import x509

from security.signing.bundle import BundleKind
from security.signing.identity import Identity
from security.signing.public_key import SignatureError

_ARC = "1.3.6.1.4.1.57264.1."
#: Fulcio's claims about the run, by the last number of the OID.
_CLAIMS = {
    8: "issuer",
    9: "build_signer_uri",
    10: "build_signer_digest",
    11: "runner_environment",
    12: "source_repository_uri",
    13: "source_repository_digest",
    14: "source_repository_ref",
    15: "source_repository_identifier",
    16: "source_repository_owner_uri",
    17: "source_repository_owner_identifier",
    18: "build_config_uri",
    19: "build_config_digest",
    20: "build_trigger",
    21: "run_invocation_uri",
    22: "source_repository_visibility",
}
_NAMES = {f"{_ARC}{number}": name for number, name in _CLAIMS.items()}
_LONGEST = 0x8000  # bytes of a claim as it is written


def parse_keyless_certificate(der: bytes) -> Identity:
    """Read the identity of a certificate. The steps, each with the attack that it stops:

    1. DER, each extension once: two readers could see two values.
    2. It must not issue certificates: those would be in no log.
    3. Exactly one name, an e-mail address or a URI: of two, either could be the trusted one.
    4. Claims are canonical DER UTF8Strings, and include the issuer.

    Returns:
        The identity: an e-mail address or the address of a workflow, with its token's issuer.

    Raises:
        SignatureError: a step finds something else.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)  # 1
        extensions = list(certificate.extensions)
        if any(_may_issue(one.value) for one in extensions):  # 2
            raise ValueError("it may issue certificates")
        name = _read_name(extensions)  # 3
        claims = {  # 4
            _NAMES[one.oid.dotted_string]: _read_text(one.value)
            for one in extensions
            if one.oid.dotted_string in _NAMES
        }
        if not claims.get("issuer"):
            raise ValueError("no issuer")
    except (
        ValueError,
        TypeError,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ) as bad:
        raise SignatureError(
            f"not a certificate of a keyless identity: {bad}", "check its source, and sign again"
        ) from bad
    return Identity(BundleKind.KEYLESS, name, claims["issuer"], claims)


def _may_issue(value: x509.ExtensionType) -> bool:
    if isinstance(value, x509.BasicConstraints):
        return value.ca
    return isinstance(value, x509.KeyUsage) and (value.key_cert_sign or value.crl_sign)


def _read_name(extensions: list[x509.Extension[x509.ExtensionType]]) -> str:
    names = [
        name
        for one in extensions
        if isinstance(one.value, x509.SubjectAlternativeName)
        for name in one.value
    ]
    if len(names) != 1:
        raise ValueError("not exactly one name")
    (name,) = names
    if not isinstance(name, x509.RFC822Name | x509.UniformResourceIdentifier) or not name.value:
        raise ValueError("neither an e-mail address nor a URI")
    return name.value


def _read_text(value: x509.ExtensionType) -> str:
    """Return a DER UTF8String (X.690 sections 8.23 and 10.1)."""
    if not isinstance(value, x509.UnrecognizedExtension):
        raise ValueError("malformed claim")
    der = value.value
    if len(der) > _LONGEST:
        raise ValueError("claim too long")
    for start in (2, 3, 4):
        if der == _utf8(der[start:]):
            return der[start:].decode("utf-8")
    raise ValueError("claim not a text")


def _utf8(content: bytes) -> bytes:
    """Return bytes as a DER UTF8String."""
    size = len(content)
    if size < 0x80:
        return bytes((0x0C, size)) + content
    if size <= 0xFF:
        return bytes((0x0C, 0x81, size)) + content
    return bytes((0x0C, 0x82, size >> 8, size & 0xFF)) + content
