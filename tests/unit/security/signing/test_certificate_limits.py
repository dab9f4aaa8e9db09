"""Certificates with limits: what is not looked at, and what limits to another use, is refused."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from security.signing.public_key import SignatureError
from tests.unit.security.signing.test_certificate_signature import (
    DAY,
    ROOT,
    WHO,
    Made,
    trusting,
    verify,
)
from tests.unit.security.statements.statement_samples import NOON

ELSEWHERE = x509.NameConstraints([x509.RFC822Name("example.org")], None)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55738.666.1"), b"\x05\x00")
SERVERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
SIGNERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])


def limited(
    extension: x509.ExtensionType, critical: bool, *, root: bool = False, leaf: bool = False
) -> Made:
    """A certificate with one extension more, by the root unless it is one."""
    made = Made("limited", None if root else ROOT, authority=not leaf)
    names = made.certificate.subject
    issuer = names if root else ROOT.certificate.subject
    public = made.certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    builder = x509.CertificateBuilder(issuer, names, public)
    builder = builder.serial_number(7).not_valid_before(NOON - DAY).not_valid_after(NOON + DAY)
    for one in made.certificate.extensions:
        builder = builder.add_extension(one.value, one.critical)
    builder = builder.add_extension(extension, critical)
    key = made.key if root else ROOT.key
    made.certificate = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(
    ("extension", "critical", "reason"),
    [
        (ELSEWHERE, True, "unknown limit"),
        (ELSEWHERE, False, "unknown limit"),
        (UNKNOWN, True, "unknown limit"),
        (SERVERS, False, "another use"),
        (SERVERS, True, "another use"),
    ],
)
@pytest.mark.parametrize("root", [False, True], ids=["intermediate", "authority"])
def test_authority_that_is_limited_certifies_nobody(
    extension: x509.ExtensionType, critical: bool, reason: str, root: bool
) -> None:
    above = limited(extension, critical, root=root)
    with pytest.raises(SignatureError, match=reason):
        verify((Made("leaf", above), above), trusting(above if root else ROOT))


def test_unknown_critical_extension_of_the_signer_is_refused() -> None:
    with pytest.raises(SignatureError, match="unknown limit"):
        verify((limited(UNKNOWN, True, leaf=True),))


@pytest.mark.parametrize("extension", [UNKNOWN, SIGNERS])
def test_what_limits_nothing_is_accepted(extension: x509.ExtensionType) -> None:
    between = limited(extension, False)
    assert verify((Made("leaf", between), between)) == WHO
