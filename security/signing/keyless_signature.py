"""The keyless signature: a certificate of a few minutes for an identity, with a public log's word.

Specification: Sigstore client spec, *Verification*. Verified offline, with the trusted root that
the project's list of signers names for the identity.
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

_HINT = "look at .ml-assets/trust/trust.toml of the protected branch"
_ENTRY = ("logIndex", "logId", "kindVersion", "canonicalizedBody", "inclusionProof")
_ENTRY_V1 = ("integratedTime", "inclusionPromise")


def verify_keyless(
    bundle: Bundle, trust: Trust
) -> tuple[TrustedIdentity, Identity, datetime.datetime]:
    """Verify a keyless signature. The steps, each with the attack that it stops:

    1. The certificate names one identity and one issuer (``keyless_certificate``), and the
       pair is in the list: an issuer is never taken for any other, nor an identity that another
       issuer gave to somebody else.
    2. There is exactly one entry of the log, with the proof that it is in, and at least one word on
       the time: a second entry would be one that nobody looks at.
    3. Sigstore's verifier, with the trusted root of the pair and a policy of just that pair: the
       certificate's chain at each of the times, the promise of the certificate log (SCT), the
       proof, the checkpoint and the promise of the signature log, the signature, and that the entry
       is of this signature.
    4. What was verified is just the payload that is read afterwards.
    5. Every word on the time was verified: none of them is there for show.
    6. Whatever else goes wrong in there is a refusal.

    Of several entries of the list with one pair those that are revoked are asked first: what such
    a root verifies stays revoked.

    Returns:
        Who is trusted, who signed, and when.

    Raises:
        SignatureError: a step finds something else.
    """
    (der,) = bundle.certificates
    identity = parse_keyless_certificate(der)  # 1
    pair = (identity.name, identity.issuer)
    trusted = [one for one in trust.identities if (one.identity, one.issuer) == pair]
    if not trusted:
        shown = f"{printable(pair[0])}, vouched for by {printable(pair[1])}"
        raise SignatureError(f"not trusted: {shown}", _HINT)
    times = _count_times(bundle)  # 2
    trusted.sort(key=lambda one: one.revoked is None)
    found, signed_at = _verify_any(bundle, trusted, times)  # 3 to 6
    return found, identity, signed_at


def _count_times(bundle: Bundle) -> int:
    """Return how many words on the time a bundle has; see 2."""
    try:
        material = Field(parse_json(bundle.content)).get("verificationMaterial")
        entries = list(material.get("tlogEntries").items())
        if len(entries) != 1:
            raise ValueError("not exactly one entry of the log")
        entry = entries[0].only(_ENTRY, _ENTRY_V1)
        stamps = material.get("timestampVerificationData")
        if stamps.exists:
            stamps.only((), ("rfc3161Timestamps",))
        stamped = list(stamps.get("rfc3161Timestamps").items())
        times = len(stamped) + ("inclusionPromise" in entry.mapping())
        if not times:
            raise ValueError("nobody says when it was signed")
    except ValueError as error:
        raise SignatureError(f"not a keyless signature: {error}", "sign it again") from error
    return times


def _verify_any(
    bundle: Bundle, trusted: list[TrustedIdentity], times: int
) -> tuple[TrustedIdentity, datetime.datetime]:
    """Verify with the first root that does; say of the last one why it does not."""
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
        raise SignatureError("not verified: another payload than the one that is read", _HINT)
    if len(found) != times:  # 5
        raise SignatureError("not verified: a time that nobody trusted vouches for", _HINT)
    return max(found).astimezone(datetime.UTC)


def _ask_sigstore(
    bundle: Bundle, trusted: TrustedIdentity
) -> tuple[bytes, list[datetime.datetime]]:
    """Return the payload that sigstore has verified, and the times that it went by."""
    verifier, signed, wanted = _open_verifier(bundle.content, trusted)
    _, payload = verifier.verify_dsse(signed, wanted)
    return payload, [one.time for one in verifier._establish_time(signed)]


def _open_verifier(
    bundle: bytes, trusted: TrustedIdentity
) -> tuple[Verifier, SigstoreBundle, Policy]:
    """Return sigstore's verifier with a root, a bundle, and the policy of just one pair.

    What is private of it is used in this module only: it reads a trusted root from files alone, and
    keeps the times to itself. It is imported when it is first needed, since that takes a second.
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
    """Verify a keyless signature of some bytes, which are not in the bundle, as 3 and 6 above say.

    Args:
        bundle: with one entry of the log that has its promise, and no time stamps: the promise is
            the one word on the time.
        trusted: somebody with the identity and the issuer of the certificate.
        hint: of the error.

    Returns:
        When it was signed, as the log says.

    Raises:
        SignatureError: it is not verified.
    """
    try:
        verifier, signed, wanted = _open_verifier(bundle, trusted)
        verifier.verify_artifact(message, signed, wanted)
        (found,) = verifier._establish_time(signed)
    except Exception as error:
        reason = printable(f"{type(error).__name__}: {error}")
        raise SignatureError(f"not verified: {reason}", hint) from error
    return found.time.astimezone(datetime.UTC)
