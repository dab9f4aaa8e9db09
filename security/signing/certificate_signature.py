"""The certificate signature: by a key with a certificate chain.

Specification: RFC 5280, *Certification Path Validation*, with ``cryptography`` and the checks that
it leaves to its users. Such a bundle has no trusted time: it counts while its certificates are
valid.
"""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID

from security.signing.bundle import Bundle, BundleKind
from security.signing.identity import Identity
from security.signing.public_key import SignatureError, take_public_key
from security.signing.trust import Trust, TrustedAuthority

_HINT = "check the signer's certificate and .ml-assets/trust/trust.toml"
_DEEPEST = 5
_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
#: The extensions that are checked here, and so may be critical (RFC 5280 section 4.2).
_READ = frozenset(
    one.oid
    for one in (
        x509.BasicConstraints,
        x509.ExtendedKeyUsage,
        x509.KeyUsage,
        x509.SubjectAlternativeName,
    )
)


def verify_certificates(
    bundle: Bundle, trust: Trust
) -> tuple[TrustedAuthority, Identity, datetime.datetime | None]:
    """Verify a certificate signature. The steps, each with the attack that it stops:

    1. The signer's certificate is for code signing only (digitalSignature, codeSigning): a server's
       certificate signs no model.
    2. It names one identity, and the list trusts an authority for exactly this identity: the
       authority has certified others as well.
    3. Each certificate is signed by the next one, up to the authority's; the issuers may certify
       (CA, keyCertSign, path length), and all are valid now.
    4. No certificate has a limit that is not checked here (unknown critical extensions, name
       constraints), or another use: an authority for servers certifies no signer.
    5. The certificate's key, ECDSA on P-256, signed exactly these bytes.

    Raises:
        SignatureError: a step finds something else.
    """
    if trust.at is None:
        raise SignatureError("no time to compare certificates with", _HINT)
    try:
        chain = [x509.load_der_x509_certificate(one) for one in bundle.certificates]
        _check_use(chain[0])  # 1
        name = _identity(chain[0])
    except _UNREADABLE as error:
        raise SignatureError(f"not a code-signing certificate: {error}", _HINT) from error
    reasons: list[str] = []
    for trusted in trust.authorities:  # 2
        if trusted.identity != name:
            continue
        try:
            issuer = _verify_chain(chain, trusted, trust.at)  # 3, 4
        except _UNREADABLE as error:
            reasons.append(str(error))
            continue
        key = take_public_key(chain[0].public_key())
        key.verify(bundle.envelope.signature, bundle.envelope.message)  # 5
        return trusted, Identity(BundleKind.CERTIFICATES, name, issuer), None
    reason = reasons[0] if reasons else f"not trusted: {name}"
    raise SignatureError(reason, _HINT)


def _check_use(leaf: x509.Certificate) -> None:
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    if not usage.digital_signature or list(extended) != [ExtendedKeyUsageOID.CODE_SIGNING]:
        raise ValueError("not for code signing only")
    if _is_authority(leaf):
        raise ValueError("certificate of an authority")


def _identity(leaf: x509.Certificate) -> str:
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = [str(one.value) for one in names]
    if len(found) != 1:
        raise ValueError("not exactly one identity")
    return found[0]


def _verify_chain(
    chain: list[x509.Certificate], trusted: TrustedAuthority, at: datetime.datetime
) -> str:
    """Verify the chain from the signer's certificate to the authority; return its name.

    Raises:
        ValueError: no valid chain leads there.
    """
    anchors = x509.load_pem_x509_certificates(trusted.certificates)
    known = {one.fingerprint(SHA256()) for one in anchors}
    above = [one for one in chain[1:] if one.fingerprint(SHA256()) not in known]
    current, path = chain[0], 0
    while True:
        _check_time(current, at)
        _check_limits(current)
        anchor = next((one for one in anchors if _is_issued_by(current, one, path)), None)
        if anchor is not None:
            _check_time(anchor, at)
            _check_limits(anchor)
            return anchor.subject.rfc4514_string()
        following = next((one for one in above if _is_issued_by(current, one, path)), None)
        if following is None or path >= _DEEPEST:
            raise ValueError(f"no chain to a trusted authority: {current.issuer.rfc4514_string()}")
        current, path = following, path + 1


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate, path: int) -> bool:
    """Return whether an authority signed a certificate, within its path length."""
    if not _is_authority(issuer, path):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # any failure: not issued by this one  # noqa: BLE001
        return False
    return isinstance(issuer.public_key(), ec.EllipticCurvePublicKey)


def _is_authority(certificate: x509.Certificate, path: int = 0) -> bool:
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    room = basic.path_length is None or basic.path_length >= path
    return bool(basic.ca and usage.key_cert_sign and room)


def _check_time(certificate: x509.Certificate, at: datetime.datetime) -> None:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        name = certificate.subject.rfc4514_string()
        raise ValueError(f"certificate expired or not yet valid: {name}")


def _check_limits(certificate: x509.Certificate) -> None:  # 4
    name = certificate.subject.rfc4514_string()
    for one in certificate.extensions:
        if (one.critical and one.oid not in _READ) or isinstance(one.value, x509.NameConstraints):
            raise ValueError(f"certificate with an unknown limit: {name}")
        if isinstance(one.value, x509.ExtendedKeyUsage):
            if ExtendedKeyUsageOID.CODE_SIGNING not in one.value:
                raise ValueError(f"certificate for another use than code signing: {name}")
