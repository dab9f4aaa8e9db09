"""The keyless signature: a certificate of a few minutes for an identity, with a public log's word.

Verified offline, with the trusted root that the project's list of signers names for the identity.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from cryptography import x509

from security.bundle import Bundle, Kind
from security.identity import Identity
from security.public_key import SignatureError
from security.trust import Trust, TrustedIdentity

#: What Fulcio writes into a certificate about the run (``docs/oid-info.md`` of fulcio), by OID.
_CLAIMS = {
    "1.3.6.1.4.1.57264.1.8": "issuer",
    "1.3.6.1.4.1.57264.1.9": "build_signer_uri",
    "1.3.6.1.4.1.57264.1.10": "build_signer_digest",
    "1.3.6.1.4.1.57264.1.11": "runner_environment",
    "1.3.6.1.4.1.57264.1.12": "source_repository_uri",
    "1.3.6.1.4.1.57264.1.13": "source_repository_digest",
    "1.3.6.1.4.1.57264.1.14": "source_repository_ref",
    "1.3.6.1.4.1.57264.1.18": "build_config_uri",
    "1.3.6.1.4.1.57264.1.19": "build_config_digest",
    "1.3.6.1.4.1.57264.1.20": "build_trigger",
    "1.3.6.1.4.1.57264.1.21": "run_invocation_uri",
}
_HINT = "look at .ml-assets/trust/trust.toml of the protected branch"


def verify_keyless(
    bundle: Bundle, trust: Trust
) -> tuple[TrustedIdentity, Identity, datetime.datetime]:
    """Verify a keyless signature. The steps, each with the attack that it stops:

    1. The certificate names one identity and one issuer, and the pair is in the list: an issuer is
       never taken for any, nor an identity that another issuer gave somebody else.
    2. Certificate, its time stamp in the certificate log, the entry in the signature log with its
       proof, and the signature are verified with that entry's trusted root (sigstore's verifier,
       offline), under a policy of that pair.
    3. What was verified is just the payload that is read afterwards.
    4. The time at which it was signed is known, from the log or from a time stamp: a certificate of
       minutes says nothing without it.
    5. Whatever else goes wrong in there is a refusal.

    Returns:
        Who is trusted, who signed, and when.

    Raises:
        SignatureError: a step finds something else.
    """
    (der,) = bundle.certificates
    name, issuer, claims = _read_certificate(der)
    trusted = next(
        (one for one in trust.identities if (one.identity, one.issuer) == (name, issuer)), None
    )
    if trusted is None:  # 1
        raise SignatureError(f"not trusted: {name}, vouched for by {issuer}", _HINT)
    signed_at = _verify(bundle, trusted)  # 2 to 5
    return trusted, Identity(Kind.KEYLESS, name, issuer, claims), signed_at


def _verify(bundle: Bundle, trusted: TrustedIdentity) -> datetime.datetime:
    try:
        from sigstore.models import Bundle as SigstoreBundle
        from sigstore.models import TrustedRoot
        from sigstore.verify import Verifier, policy
        from sigstore_models.trustroot import v1 as trustroot

        root = TrustedRoot(trustroot.TrustedRoot.from_json(trusted.root.decode("utf-8")))
        signed = SigstoreBundle.from_json(bundle.content)
        verifier = Verifier(trusted_root=root)
        wanted = policy.Identity(identity=trusted.identity, issuer=trusted.issuer)
        _, payload = verifier.verify_dsse(signed, wanted)  # 2
        times = [one.time for one in verifier._establish_time(signed)]
    except Exception as error:  # 5
        raise SignatureError(
            f"not verified: {type(error).__name__}: {str(error)[:200]}", _HINT
        ) from error
    if payload != bundle.envelope.payload:  # 3
        raise SignatureError("another payload was verified than is read", _HINT)
    if not times:  # 4
        raise SignatureError("nobody says when it was signed", _HINT)
    return max(times).astimezone(datetime.UTC)


def _read_certificate(der: bytes) -> tuple[str, str, Mapping[str, str]]:
    """Return the identity, its issuer, and what else is said, all of it unverified."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = [str(one.value) for one in names]
        claims = dict(_read_claims(certificate))
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise SignatureError(f"not a certificate: {error}", _HINT) from error
    if len(found) != 1 or "issuer" not in claims:
        raise SignatureError("a certificate without one identity and its issuer", _HINT)
    return found[0], claims["issuer"], claims


def _read_claims(certificate: x509.Certificate) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for extension in certificate.extensions:
        name = _CLAIMS.get(extension.oid.dotted_string)
        if name is not None and isinstance(extension.value, x509.UnrecognizedExtension):
            found.append((name, _utf8(extension.value.value)))
    return found


def _utf8(der: bytes) -> str:
    """Return a DER UTF8String (X.690 section 8.23) of a definite length."""
    if len(der) < 2 or der[0] != 0x0C:
        raise ValueError("a claim that is no text")
    length, start = der[1], 2
    if length >= 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(der[2 : 2 + count], "big"), 2 + count
    if start + length != len(der):
        raise ValueError("a claim of another length")
    return der[start:].decode("utf-8")
