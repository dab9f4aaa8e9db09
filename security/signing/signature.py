"""The signature under a statement: verified, with who made it, before any of it is believed."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace

from security.signing.bundle import Bundle, Kind
from security.signing.identity import Identity
from security.signing.public_key import SignatureError
from security.signing.trust import Trust, Trusted, check_signer
from security.statements.predicates import PREDICATES, Purpose
from security.statements.statement import Statement

#: Where each kind of statement says when it was made: the keys that lead there. A gate's result
#: says when something was judged, which may be long before a run signs it.
_TIMES = {
    "https://slsa.dev/provenance/v1": ("runDetails", "metadata", "finishedOn"),
    "https://slsa.dev/verification_summary/v1": ("timeVerified",),
    "urn:ml-assets:rebuild:v1": ("finishedOn",),
}


@dataclass(frozen=True, slots=True)
class Verified:
    """A statement that somebody trusted has signed."""

    bundle: Bundle
    statement: Statement
    identity: Identity


def verify_bundle(bundle: Bundle, trust: Trust) -> Verified:
    """Verify who signed a statement. The steps, each with the attack that it stops:

    1. The statement is one (``statement``), of a kind that is known here: what nobody can
       read is not believed for its signature.
    2. The signature is that of the named key, of exactly these bytes.
    3. The signer is trusted, for this kind of statement, at the time that it states.

    Raises:
        StatementError: what was signed is no statement.
        SignatureError: a step finds something else.
    """
    statement = bundle.statement  # 1
    purpose = PREDICATES.get(statement.predicate_type)
    if purpose is None:
        raise SignatureError(
            f"a statement of an unknown kind: {statement.predicate_type[:100]}",
            "verify it with a program that knows it",
        )
    identity = _verify_signer(bundle, trust, purpose, stated_time(statement))  # 2, 3
    return Verified(bundle, statement, identity)


def stated_time(statement: Statement) -> datetime.datetime | None:
    """Return when a statement says that it was made; None where its kind does not say it.

    Raises:
        SignatureError: its kind says it, and it does not.
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
        SignatureError: it is none, or has no zone.
    """
    try:
        if isinstance(value, str):
            found = datetime.datetime.fromisoformat(value)
            if found.tzinfo is not None:
                return found.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        pass  # said below
    raise SignatureError("a statement that does not say when it was made", "sign it again")


def _verify_signer(
    bundle: Bundle, trust: Trust, purpose: Purpose, at: datetime.datetime | None
) -> Identity:
    if bundle.kind is Kind.KEY:
        trusted = trust.find_key(bundle.hint)
        trusted.key.verify(bundle.envelope.signature, bundle.envelope.message)
        check_signer(trusted, purpose, at)
        return Identity(Kind.KEY, bundle.hint, label=trusted.name)
    if bundle.kind is Kind.CERTIFICATES:
        from security.signing.certificate_signature import verify_certificates

        found: Trusted
        found, identity, signed_at = verify_certificates(bundle, trust)
    else:
        from security.signing.keyless_signature import verify_keyless

        found, identity, signed_at = verify_keyless(bundle, trust)
    check_signer(found, purpose, signed_at if signed_at is not None else at)
    return replace(identity, label=found.name)
