"""Signatures with certificates: each use, name, time and issuer that is not right is refused."""

import datetime
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from resources.signing.certificate_signer import CertificateSigner
from security.signing.public_key import SignatureError
from security.signing.signature import verify_bundle
from security.signing.trust import Trust, TrustedAuthority
from security.statements.provenance import write_provenance
from tests.unit.security.statements.statement_samples import NOON, run

DAY = datetime.timedelta(days=1)
WHO = "release@example.com"


def usage(**wanted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
        " key_cert_sign crl_sign encipher_only decipher_only"
    ).split()
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})


class Made:
    """A certificate with its key."""

    def __init__(
        self,
        name: str,
        by: "Made | None" = None,
        *,
        authority: bool = False,
        start: datetime.datetime = NOON - DAY,
        end: datetime.datetime = NOON + DAY,
        use: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.CODE_SIGNING,
        sans: tuple[str, ...] = (WHO,),
        signs: bool = True,
        path_length: int | None = None,
        key: object = None,
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by.certificate.subject if by else subject)
            .public_key(self.key.public_key())  # type: ignore[attr-defined]
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
        )
        if authority:
            basic = x509.BasicConstraints(ca=True, path_length=path_length)
            builder = builder.add_extension(basic, True)
            builder = builder.add_extension(usage(key_cert_sign=True, crl_sign=True), True)
        else:
            builder = builder.add_extension(usage(digital_signature=signs), True)
            if use is not None:
                builder = builder.add_extension(x509.ExtendedKeyUsage([use]), False)
            names = x509.SubjectAlternativeName([x509.RFC822Name(one) for one in sans])
            builder = builder.add_extension(names, False)
        signer = by.key if by else self.key
        self.certificate = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


ROOT = Made("root", authority=True)
LEAF = Made("leaf", ROOT)


def verify(chain: tuple[Made, ...], trust: Trust | None = None) -> str:
    key = chain[0].key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signer = CertificateSigner(key, tuple(one.certificate for one in chain))
    bundle = signer.sign(write_provenance(run("model")).payload)
    return verify_bundle(bundle, trust or trusting(ROOT)).identity.name


def trusting(authority: Made, identity: str = WHO) -> Trust:
    entry = TrustedAuthority("release", certificates=authority.pem, identity=identity)
    return Trust({}, authorities=(entry,), at=NOON)


def test_chain_to_the_authority_is_verified() -> None:
    assert verify((LEAF,)) == WHO
    assert verify((LEAF, ROOT)) == WHO


def test_intermediate_authority_is_followed() -> None:
    between = Made("between", ROOT, authority=True, path_length=0)
    assert verify((Made("leaf", between), between)) == WHO


def two_below() -> tuple[Made, ...]:
    first = Made("first", ROOT, authority=True, path_length=0)
    second = Made("second", first, authority=True)
    return Made("leaf", second), second, first


OTHER = Made("other", authority=True)
CASES: dict[str, Callable[[], tuple[Made, ...]]] = {
    "expired": lambda: (Made("leaf", ROOT, start=NOON - 2 * DAY, end=NOON - DAY),),
    "not yet valid": lambda: (Made("leaf", ROOT, start=NOON + DAY, end=NOON + 2 * DAY),),
    "of a server": lambda: (Made("leaf", ROOT, use=ExtendedKeyUsageOID.SERVER_AUTH),),
    "of any use": lambda: (Made("leaf", ROOT, use=ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE),),
    "of no stated use": lambda: (Made("leaf", ROOT, use=None),),
    "not for signatures": lambda: (Made("leaf", ROOT, signs=False),),
    "another's name": lambda: (Made("leaf", ROOT, sans=("somebody@example.com",)),),
    "two names": lambda: (Made("leaf", ROOT, sans=(WHO, "somebody@example.com")),),
    "of another authority": lambda: (Made("leaf", OTHER), OTHER),
    "signed by itself": lambda: (Made("leaf"),),
    "by one that may not certify": lambda: (Made("leaf", LEAF), LEAF),
    "intermediate missing": lambda: (Made("leaf", Made("between", ROOT, authority=True)),),
    "intermediate expired": lambda: (lambda between: (Made("leaf", between), between))(
        Made("between", ROOT, authority=True, start=NOON - 2 * DAY, end=NOON - DAY)
    ),
    "longer path than allowed": two_below,
    "authority's own": lambda: (ROOT,),
}


@pytest.mark.parametrize("make", CASES.values(), ids=CASES.keys())
def test_chain_that_is_not_right_is_refused(make: Callable[[], tuple[Made, ...]]) -> None:
    with pytest.raises(SignatureError):
        verify(make())


def test_rsa_authority_is_refused() -> None:
    weak = Made("root", authority=True, key=rsa.generate_private_key(65537, 2048))
    with pytest.raises(SignatureError, match="no chain"):
        verify((Made("leaf", weak),), trusting(weak))


def test_without_the_time_no_certificate_counts() -> None:
    with pytest.raises(SignatureError, match="no time"):
        verify((LEAF,), replace(trusting(ROOT), at=None))


def test_authority_that_expired_certifies_nobody() -> None:
    old = Made("root", authority=True, start=NOON - 3 * DAY, end=NOON - 2 * DAY)
    with pytest.raises(SignatureError, match="not yet valid"):
        verify((Made("leaf", old),), trusting(old))


def test_signature_of_another_key_under_the_certificate_is_refused() -> None:
    stolen = CertificateSigner(ec.generate_private_key(ec.SECP256R1()), (LEAF.certificate,))
    bundle = stolen.sign(write_provenance(run("model")).payload)
    with pytest.raises(SignatureError, match="does not verify"):
        verify_bundle(bundle, trusting(ROOT))
