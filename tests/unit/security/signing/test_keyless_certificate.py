"""Reading the certificate of a keyless identity: one name, its issuer, and what is well formed."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier

from security.signing.keyless_certificate import parse_keyless_certificate
from security.signing.public_key import SignatureError

ISSUER = "https://issuer.example"
WORKFLOW = x509.UniformResourceIdentifier("https://git.example/acme/train.yml@refs/heads/main")
Extension = tuple[x509.ExtensionType, bool]


def claim(number: int, content: bytes) -> Extension:
    """An extension of Fulcio's."""
    oid = ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
    return x509.UnrecognizedExtension(oid, content), False


def utf8(text: str) -> bytes:
    """A short UTF8String."""
    return bytes((0x0C, len(text.encode()))) + text.encode()


def names(*given: x509.GeneralName) -> Extension:
    """The subject alternative names."""
    return x509.SubjectAlternativeName(given), True


def make(*extensions: Extension) -> bytes:
    """A certificate with just these extensions."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    nobody = x509.Name([])
    builder = x509.CertificateBuilder(nobody, nobody, key.public_key(), 1, now, now)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def usage(*, issues: bool) -> Extension:
    """A key usage, of which one thing matters here."""
    rest = (False,) * 4
    return x509.KeyUsage(True, *rest, issues, False, False, False), True


def test_identity_issuer_and_claims_are_read() -> None:
    longer = "https://git.example/" + "a" * 200
    content = b"\x0c\x81" + bytes((len(longer),)) + longer.encode()
    found = parse_keyless_certificate(
        make(names(WORKFLOW), claim(8, utf8(ISSUER)), claim(12, content), usage(issues=False))
    )
    assert (found.name, found.issuer) == (WORKFLOW.value, ISSUER)
    assert found.claims == {"issuer": ISSUER, "source_repository_uri": longer}


def test_longest_claims_are_read() -> None:
    for size in (127, 128, 255, 256, 300, 0x7FF0):
        text = "a" * size
        if size < 0x80:
            head = bytes((0x0C, size))
        elif size < 0x100:
            head = bytes((0x0C, 0x81, size))
        else:
            head = bytes((0x0C, 0x82, size >> 8, size & 0xFF))
        der = make(names(WORKFLOW), claim(8, utf8(ISSUER)), claim(14, head + text.encode()))
        assert parse_keyless_certificate(der).claims["source_repository_ref"] == text


def test_email_address_is_an_identity() -> None:
    der = make(names(x509.RFC822Name("dev@example.com")), claim(8, utf8(ISSUER)))
    assert parse_keyless_certificate(der).name == "dev@example.com"


@pytest.mark.parametrize(
    "given",
    [
        (WORKFLOW, x509.UniformResourceIdentifier("https://other.example")),
        (WORKFLOW, x509.DNSName("other.example")),
        (x509.DNSName("dev.example.com"),),
        (x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.57264.1.7"), utf8("dev")),),
        (x509.DirectoryName(x509.Name([])),),
        (x509.UniformResourceIdentifier(""),),
    ],
    ids=["two", "another kind beside", "host", "user name", "directory", "empty"],
)
def test_anything_but_one_address_is_no_identity(given: tuple[x509.GeneralName, ...]) -> None:
    with pytest.raises(SignatureError, match="neither an e-mail address nor a URI|name"):
        parse_keyless_certificate(make(names(*given), claim(8, utf8(ISSUER))))


def test_certificate_without_a_name_is_refused() -> None:
    with pytest.raises(SignatureError, match="not exactly one name"):
        parse_keyless_certificate(make(claim(8, utf8(ISSUER))))


def test_certificate_without_an_issuer_is_refused() -> None:
    with pytest.raises(SignatureError, match="no issuer"):
        parse_keyless_certificate(make(names(WORKFLOW), claim(1, ISSUER.encode())))
    with pytest.raises(SignatureError, match="no issuer"):
        parse_keyless_certificate(make(names(WORKFLOW), claim(8, b"\x0c\x00")))


@pytest.mark.parametrize(
    "extension",
    [(x509.BasicConstraints(ca=True, path_length=None), True), usage(issues=True)],
    ids=["constraints", "usage"],
)
def test_authority_is_no_signer(extension: Extension) -> None:
    with pytest.raises(SignatureError, match="it may issue certificates"):
        parse_keyless_certificate(make(names(WORKFLOW), claim(8, utf8(ISSUER)), extension))


@pytest.mark.parametrize(
    "content",
    [
        ISSUER.encode(),
        b"",
        b"\x0c",
        b"\x0c\x80",
        utf8(ISSUER) + b"\0",
        utf8(ISSUER)[:-1],
        b"\x0c\x81\x03abc",
        b"\x0c\x82\x00\x03abc",
        b"\x13" + utf8(ISSUER)[1:],
        b"\x0c\x02\xff\xfe",
        b"\x0c\x82\x80\x00" + b"a" * 0x8000,
    ],
    ids=[
        "bare",
        "nothing",
        "no length",
        "indefinite",
        "more",
        "less",
        "longer length",
        "longest length",
        "another type",
        "not utf-8",
        "too long",
    ],
)
def test_claim_that_is_written_otherwise_is_refused(content: bytes) -> None:
    with pytest.raises(SignatureError, match="not a certificate of a keyless identity"):
        parse_keyless_certificate(make(names(WORKFLOW), claim(8, content)))


@pytest.mark.parametrize("der", [b"", b"0", b"nonsense", b"\x30\x03\x02\x01\x01"])
def test_bytes_that_are_no_certificate_are_refused(der: bytes) -> None:
    with pytest.raises(SignatureError, match="not a certificate"):
        parse_keyless_certificate(der)


def test_certificate_of_an_unknown_version_is_refused() -> None:
    der = make(names(WORKFLOW), claim(8, utf8(ISSUER)), usage(issues=False))
    changed = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03", 1)
    with pytest.raises(SignatureError, match="not a certificate of a keyless identity"):
        parse_keyless_certificate(changed)


def test_bytes_after_the_certificate_are_refused() -> None:
    der = make(names(WORKFLOW), claim(8, utf8(ISSUER)))
    with pytest.raises(SignatureError, match="not a certificate"):
        parse_keyless_certificate(der + b"\0")
