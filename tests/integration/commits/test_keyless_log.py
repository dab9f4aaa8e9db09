"""What the log says of commits signed by gitsign: nothing counts that it has not said."""

import base64
import datetime
from typing import Any

import pytest

from tests.integration.commits.keyless_commit import commit, trust, write_message
from tests.integration.commits.signed_repository import SignedRepository, refuse
from tests.private_sigstore.behaviour import Behaviour
from tests.private_sigstore.server import PrivateSigstore

HOUR = datetime.timedelta(hours=1)
KIND = write_message((3, write_message((1, b"hashedrekord"), (2, b"0.0.1"))))


def test_signature_without_entry_of_the_log_cannot_be_judged(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    signed = commit(repository, sigstore, entries=lambda entry: [])
    refuse(repository, signed, trust(sigstore), "without a log entry")


def test_key_that_signs_after_its_certificate_is_refused(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    sigstore.behaviour = Behaviour(log_clock=HOUR)
    refuse(repository, commit(repository, sigstore), trust(sigstore), "not verified: .*")
    sigstore.behaviour = Behaviour(log_clock=-HOUR)
    refuse(repository, commit(repository, sigstore), trust(sigstore), "not verified: .*")


def flip(text: str) -> str:
    """Return base64 of the same bytes but for one bit."""
    content = bytearray(base64.b64decode(text))
    content[-1] ^= 1
    return base64.b64encode(content).decode()


def later(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "integratedTime": entry["integratedTime"] + 1}


def at_no_time(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "integratedTime": 0}


def elsewhere(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "logIndex": entry["logIndex"] + 1}


def of_another_log(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "logID": "00" * 32}


def change(entry: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {**entry, "verification": {**entry["verification"], **values}}


def promised_otherwise(entry: dict[str, Any]) -> dict[str, Any]:
    promise = entry["verification"]["signedEntryTimestamp"]
    return change(entry, signedEntryTimestamp=flip(promise))


def not_promised(entry: dict[str, Any]) -> dict[str, Any]:
    return change(entry, signedEntryTimestamp="")


def proved_otherwise(entry: dict[str, Any]) -> dict[str, Any]:
    proof = entry["verification"]["inclusionProof"]
    return change(entry, inclusionProof={**proof, "rootHash": "00" * 32})


def not_proved(entry: dict[str, Any]) -> dict[str, Any]:
    proof = entry["verification"]["inclusionProof"]
    return change(entry, inclusionProof={**proof, "checkpoint": ""})


@pytest.mark.parametrize(
    ("answered", "why"),
    [
        (later, "invalid inclusion promise"),
        (at_no_time, "not verified: "),
        (elsewhere, "not verified: "),
        (of_another_log, "not verified: "),
        (promised_otherwise, "invalid inclusion promise"),
        (not_promised, "no time of signing"),
        (proved_otherwise, "not verified: "),
        (not_proved, "not verified: "),
    ],
)
def test_word_that_the_log_has_not_signed_is_refused(
    repository: SignedRepository, sigstore: PrivateSigstore, answered: Any, why: str
) -> None:
    refuse(repository, commit(repository, sigstore, answered=answered), trust(sigstore), why)


def test_entry_of_another_signature_is_refused(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    seen: list[bytes] = []

    def note(entry: bytes) -> list[bytes]:
        seen.append(entry)
        return [entry]

    commit(repository, sigstore, entries=note)
    signed = commit(repository, sigstore, entries=lambda entry: seen)
    refuse(repository, signed, trust(sigstore), "not verified: VerificationError: invalid log")
    two = commit(repository, sigstore, entries=lambda entry: [entry, *seen])
    refuse(repository, two, trust(sigstore), "attribute with several values")


def test_entry_that_the_log_took_for_something_else_is_refused(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    def log_other(proposed: dict[str, Any]) -> dict[str, Any]:
        spec = proposed["spec"]
        other = {"hash": {"algorithm": "sha256", "value": "0" * 64}}
        return {**proposed, "spec": {**spec, "data": other}}

    refuse(repository, commit(repository, sigstore, logged=log_other), trust(sigstore), "not veri")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (write_message((3, write_message((1, b"dsse"), (2, b"0.0.1")))), "not hashedrekord"),
        (KIND + write_message((7, b"{}")), "body of another signature"),
        (b"\x08\x01\x08\x01", "unknown or repeated field: 1"),
        (b"\x48\x01", "unknown or repeated field: 9"),
        (b"\x0d\x01\x00\x00\x00", "unsupported wire type: 5"),
        (b"\x0a\x7f", "truncated in the middle"),
        (b"\x08" + b"\xff" * 10, "longer than 64 bits"),
        (b"\x1a\x02\x08\x01", "not length-delimited: 1"),
    ],
)
def test_broken_entry_is_refused(
    repository: SignedRepository, sigstore: PrivateSigstore, entry: bytes, why: str
) -> None:
    signed = commit(repository, sigstore, entries=lambda _: [entry])
    refuse(repository, signed, trust(sigstore), f"not a log entry: .*{why}")
