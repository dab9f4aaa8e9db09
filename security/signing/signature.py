"""The signature of a statement, verified before the statement is used."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace

from security.signing.bundle import Bundle, BundleKind
from security.signing.identity import Identity
from security.signing.public_key import SignatureError
from security.signing.trust import Trust, Trusted, check_signer
from security.statements.predicates import PREDICATES, Purpose
from security.statements.statement import Statement

#: The keys to the time of signing in each type of statement. The time in a gate result is the time
#: of the check, possibly long before a run signs it.
_TIMES = {
    "https://slsa.dev/provenance/v1": ("runDetails", "metadata", "finishedOn"),
    "https://slsa.dev/verification_summary/v1": ("timeVerified",),
    "urn:ml-assets:rebuild:v1": ("finishedOn",),
    "urn:ml-assets:lock-record:v1": ("recordedOn",),
}


@dataclass(frozen=True, slots=True)
class Verified:
    """A statement with a verified signature of a trusted signer."""

    bundle: Bundle
    statement: Statement
    identity: Identity


def verify_bundle(bundle: Bundle, trust: Trust) -> Verified:
    """Verify the signature of a statement. The steps, each with the attack that it stops:

    1. The payload is a statement (``statement``) of a known type: an unknown one has no meaning
       here.
    2. The named key signed exactly these bytes.
    3. The signer is trusted for this type of statement at the stated time.

    Raises:
        StatementError: the payload is not a statement.
        SignatureError: a step fails.
    """
    statement = bundle.statement  # 1
    purpose = PREDICATES.get(statement.predicate_type)
    if purpose is None:
        raise SignatureError(
            f"unknown statement type: {statement.predicate_type[:100]}",
            "verify it with a program that supports it",
        )
    identity = _verify_signer(bundle, trust, purpose, stated_time(statement))  # 2, 3
    return Verified(bundle, statement, identity)


def stated_time(statement: Statement) -> datetime.datetime | None:
    """Return the stated time of signing; None for types without one.

    Raises:
        SignatureError: the time is missing or malformed.
    """
    keys = _TIMES.get(statement.predicate_type)
    if keys is None:
        return None
    value: object = statement.predicate
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return parse_time(value)


def parse_time(value: object) -> datetime.datetime:
    """Read a time (RFC 3339).

    Raises:
        SignatureError: it is malformed, or has no zone.
    """
    try:
        if isinstance(value, str):
            found = datetime.datetime.fromisoformat(value)
            if found.tzinfo is not None:
                return found.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        pass  # raised below
    raise SignatureError("statement without a time of signing", "sign it again")


def _verify_signer(
    bundle: Bundle, trust: Trust, purpose: Purpose, at: datetime.datetime | None
) -> Identity:
    if bundle.kind is BundleKind.KEY:
        trusted = trust.find_key(bundle.hint)
        trusted.key.verify(bundle.envelope.signature, bundle.envelope.message)
        check_signer(trusted, purpose, at)
        return Identity(BundleKind.KEY, bundle.hint, label=trusted.name)
    if bundle.kind is BundleKind.CERTIFICATES:
        from security.signing.certificate_signature import verify_certificates

        found: Trusted
        found, identity, signed_at = verify_certificates(bundle, trust)
    else:
        from security.signing.keyless_signature import verify_keyless

        found, identity, signed_at = verify_keyless(bundle, trust)
    check_signer(found, purpose, signed_at if signed_at is not None else at)
    return replace(identity, label=found.name)
