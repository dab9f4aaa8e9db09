"""The keyless signature: a short-lived certificate of an identity, with an entry in a public log.

Specification: Sigstore client spec, *Verification*. Verified offline, with the trusted root of
the identity in the project's list of signers.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from security.content.document import parse_json
from security.content.field import Field
from security.content.printable import printable
from security.signing.bundle import Bundle
from security.signing.identity import Identity
from security.signing.keyless_certificate import parse_keyless_certificate
from security.signing.public_key import SignatureError
from security.signing.trust import Trust, TrustedIdentity

if TYPE_CHECKING:
    from sigstore.models import Bundle as SigstoreBundle
    from sigstore.verify import Verifier
    from sigstore.verify.policy import Identity as Policy

_HINT = "check .ml-assets/trust/trust.toml of the protected branch"
_ENTRY = ("logIndex", "logId", "kindVersion", "canonicalizedBody", "inclusionProof")
_ENTRY_V1 = ("integratedTime", "inclusionPromise")


def verify_keyless(
    bundle: Bundle, trust: Trust
) -> tuple[TrustedIdentity, Identity, datetime.datetime]:
    """Verify a keyless signature. The steps, each with the attack that it stops:

    1. The certificate names one identity and one issuer (``keyless_certificate``), and the pair is
       trusted: another issuer could give the same identity to another person.
    2. Exactly one log entry, with an inclusion proof, and at least one time: a second entry would
       go unverified.
    3. Sigstore's verifier, with the trusted root and a policy of exactly this pair, verifies the
       certificate chain at each time, the certificate log's promise (SCT), the signature log's
       proof, checkpoint and promise, the signature, and that the entry is of this signature.
    4. The verified payload is the one that is read afterwards.
    5. Every time was verified: an unverified one could be forged.
    6. Any other error is a refusal.

    If the list has a pair several times, revoked entries are tried first: a signature that verifies
    with a revoked entry stays revoked.

    Returns:
        The trusted signer, the identity, and the time of signing.

    Raises:
        SignatureError: a step finds something else.
    """
    (der,) = bundle.certificates
    identity = parse_keyless_certificate(der)  # 1
    pair = (identity.name, identity.issuer)
    trusted = [one for one in trust.identities if (one.identity, one.issuer) == pair]
    if not trusted:
        shown = f"{printable(pair[0])}, issued by {printable(pair[1])}"
        raise SignatureError(f"not trusted: {shown}", _HINT)
    times = _count_times(bundle)  # 2
    trusted.sort(key=lambda one: one.revoked is None)
    found, signed_at = _verify_any(bundle, trusted, times)  # 3 to 6
    return found, identity, signed_at


def _count_times(bundle: Bundle) -> int:
    """Return the number of times in a bundle; see 2."""
    try:
        material = Field(parse_json(bundle.content)).get("verificationMaterial")
        entries = list(material.get("tlogEntries").items())
        if len(entries) != 1:
            raise ValueError("not exactly one log entry")
        entry = entries[0].only(_ENTRY, _ENTRY_V1)
        stamps = material.get("timestampVerificationData")
        if stamps.exists:
            stamps.only((), ("rfc3161Timestamps",))
        stamped = list(stamps.get("rfc3161Timestamps").items())
        times = len(stamped) + ("inclusionPromise" in entry.mapping())
        if not times:
            raise ValueError("no time of signing")
    except ValueError as error:
        raise SignatureError(f"not a keyless signature: {error}", "sign it again") from error
    return times


def _verify_any(
    bundle: Bundle, trusted: list[TrustedIdentity], times: int
) -> tuple[TrustedIdentity, datetime.datetime]:
    """Verify with the first root that succeeds; report the reason of the last one."""
    *others, last = trusted
    for one in others:
        try:
            return one, _verify(bundle, one, times)
        except SignatureError:
            continue  # the next one has to verify it, or the last one raises
    return last, _verify(bundle, last, times)


def _verify(bundle: Bundle, trusted: TrustedIdentity, times: int) -> datetime.datetime:
    try:
        payload, found = _ask_sigstore(bundle, trusted)  # 3
    except Exception as error:  # 6: it has many roots, and its parsers have others
        reason = printable(f"{type(error).__name__}: {error}")
        raise SignatureError(f"not verified: {reason}", _HINT) from error
    if payload != bundle.envelope.payload:  # 4
        raise SignatureError("not verified: sigstore verified another payload", _HINT)
    if len(found) != times:  # 5
        raise SignatureError("not verified: a time of an untrusted source", _HINT)
    return max(found).astimezone(datetime.UTC)


def _ask_sigstore(
    bundle: Bundle, trusted: TrustedIdentity
) -> tuple[bytes, list[datetime.datetime]]:
    """Return the payload that sigstore verified, and the verified times."""
    verifier, signed, wanted = _open_verifier(bundle.content, trusted)
    _, payload = verifier.verify_dsse(signed, wanted)
    return payload, [one.time for one in verifier._establish_time(signed)]


def _open_verifier(
    bundle: bytes, trusted: TrustedIdentity
) -> tuple[Verifier, SigstoreBundle, Policy]:
    """Return sigstore's verifier for a root, the bundle, and the policy of exactly one pair.

    This module uses private parts of sigstore, which reads trusted roots from files only and does
    not return the times. The import takes a second, so it is delayed until it is needed.
    """
    from sigstore.models import Bundle as SigstoreBundle
    from sigstore.models import TrustedRoot
    from sigstore.verify import Verifier
    from sigstore.verify.policy import Identity as Policy
    from sigstore_models.trustroot.v1 import TrustedRoot as TrustedRootMessage

    verifier = Verifier(trusted_root=TrustedRoot(TrustedRootMessage.from_json(trusted.root)))
    wanted = Policy(identity=trusted.identity, issuer=trusted.issuer)
    return verifier, SigstoreBundle.from_json(bundle), wanted


def verify_keyless_message(
    bundle: bytes, message: bytes, trusted: TrustedIdentity, hint: str
) -> datetime.datetime:
    """Verify a detached keyless signature, by steps 3 and 6 of ``verify_keyless``.

    Args:
        bundle: with one log entry that has the log's promise, and no time stamps.
        trusted: a signer with the identity and the issuer of the certificate.
        hint: the error's hint.

    Returns:
        The log's time of signing.

    Raises:
        SignatureError: it does not verify.
    """
    try:
        verifier, signed, wanted = _open_verifier(bundle, trusted)
        verifier.verify_artifact(message, signed, wanted)
        (found,) = verifier._establish_time(signed)
    except Exception as error:
        reason = printable(f"{type(error).__name__}: {error}")
        raise SignatureError(f"not verified: {reason}", hint) from error
    return found.time.astimezone(datetime.UTC)
