"""Keyless bundles of which one thing was changed: each is refused, and says where it can be why."""

import base64
import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from security.errors import SecurityError
from security.signing.bundle import parse_bundle
from security.signing.keyless_signature import verify_keyless
from security.signing.public_key import SignatureError
from security.signing.signature import verify_bundle
from tests.integration.keyless.keyless_samples import (
    Change,
    Signed,
    change_bundle,
    entry_of,
    flip,
    make_entry,
    make_statement,
    stamps_of,
    trusting,
)
from tests.private_sigstore.server import PrivateSigstore

BOTH = pytest.mark.parametrize("kind", ["v1", "v2"])


def payload(body: dict[str, Any]) -> None:
    inner = body["dsseEnvelope"]
    inner["payload"] = flip(inner["payload"], base64.b64decode(inner["payload"]).index(b"train"))


def signature(body: dict[str, Any]) -> None:
    inner = body["dsseEnvelope"]["signatures"][0]
    inner["sig"] = flip(inner["sig"])


def promise_of_the_certificate_log(body: dict[str, Any]) -> None:
    inner = body["verificationMaterial"]["certificate"]
    raw = base64.b64decode(inner["rawBytes"])
    inner["rawBytes"] = flip(inner["rawBytes"], raw.index(b"\x04\x03\x00") + 20)


def end_of_the_certificate(body: dict[str, Any]) -> None:
    inner = body["verificationMaterial"]["certificate"]
    inner["rawBytes"] = flip(inner["rawBytes"])


def entry(body: dict[str, Any]) -> None:
    entry_of(body)["canonicalizedBody"] = flip(entry_of(body)["canonicalizedBody"])


def root_hash(body: dict[str, Any]) -> None:
    proof = entry_of(body)["inclusionProof"]
    proof["rootHash"] = flip(proof["rootHash"])


def place(body: dict[str, Any]) -> None:
    proof = entry_of(body)["inclusionProof"]
    proof["logIndex"] = str(int(proof["logIndex"]) + 1)


def size(body: dict[str, Any]) -> None:
    proof = entry_of(body)["inclusionProof"]
    proof["treeSize"] = str(int(proof["treeSize"]) + 1)


def checkpoint(body: dict[str, Any]) -> None:
    inner = entry_of(body)["inclusionProof"]["checkpoint"]
    note, _, signed = inner["envelope"].rpartition(" ")
    inner["envelope"] = f"{note} {flip(signed.strip())}\n"


def no_checkpoint(body: dict[str, Any]) -> None:
    del entry_of(body)["inclusionProof"]["checkpoint"]


def no_proof(body: dict[str, Any]) -> None:
    del entry_of(body)["inclusionProof"]


def no_entry(body: dict[str, Any]) -> None:
    body["verificationMaterial"]["tlogEntries"] = []


def no_entries(body: dict[str, Any]) -> None:
    del body["verificationMaterial"]["tlogEntries"]


def two_entries(body: dict[str, Any]) -> None:
    body["verificationMaterial"]["tlogEntries"] *= 2


def entry_with_more(body: dict[str, Any]) -> None:
    entry_of(body)["integrated_time"] = "1"


def other_kind_of_entry(body: dict[str, Any]) -> None:
    entry_of(body)["kindVersion"] = {"kind": "intoto", "version": "0.0.2"}


@BOTH
@pytest.mark.parametrize(
    "change",
    [
        payload,
        signature,
        promise_of_the_certificate_log,
        end_of_the_certificate,
        entry,
        root_hash,
        place,
        size,
        checkpoint,
        no_checkpoint,
        no_proof,
        no_entry,
        no_entries,
        two_entries,
        entry_with_more,
        other_kind_of_entry,
    ],
    ids=lambda one: one.__name__,
)
def test_one_change_of_a_bundle_is_refused(
    sigstore: PrivateSigstore, signed: Signed, kind: str, change: Change
) -> None:
    trust = trusting(make_entry(sigstore))
    verify_bundle(change_bundle(getattr(signed, kind), lambda body: None), trust)
    changed = change_bundle(getattr(signed, kind), change)
    with pytest.raises(SignatureError, match="not verified|not a keyless|not a certificate"):
        verify_bundle(changed, trust)


@BOTH
@pytest.mark.parametrize("change", [no_entry, no_entries, two_entries])
def test_exactly_one_entry_of_the_log_is_looked_at(
    sigstore: PrivateSigstore, signed: Signed, kind: str, change: Change
) -> None:
    with pytest.raises(SignatureError, match="not exactly one log entry"):
        verify_bundle(change_bundle(getattr(signed, kind), change), trusting(make_entry(sigstore)))


def test_payload_that_is_read_is_the_one_that_was_verified(
    sigstore: PrivateSigstore, signed: Signed
) -> None:
    read = replace(signed.v1, envelope=replace(signed.v1.envelope, payload=make_statement("evil")))
    with pytest.raises(SignatureError, match="sigstore verified another payload"):
        verify_bundle(read, trusting(make_entry(sigstore)))


def later(body: dict[str, Any]) -> None:
    entry_of(body)["integratedTime"] = str(int(entry_of(body)["integratedTime"]) + 60)


def no_time(body: dict[str, Any]) -> None:
    entry_of(body)["integratedTime"] = "0"


def no_promise(body: dict[str, Any]) -> None:
    del entry_of(body)["inclusionPromise"]


def other_promise(body: dict[str, Any]) -> None:
    promise = entry_of(body)["inclusionPromise"]
    promise["signedEntryTimestamp"] = flip(promise["signedEntryTimestamp"])


def other_log(body: dict[str, Any]) -> None:
    entry_of(body)["logId"]["keyId"] = flip(entry_of(body)["logId"]["keyId"])


@pytest.mark.parametrize("change", [later, no_time, no_promise, other_promise, other_log])
def test_time_of_the_log_that_nothing_vouches_for_is_refused(
    sigstore: PrivateSigstore, signed: Signed, change: Change
) -> None:
    with pytest.raises(SignatureError, match="not verified|no time of signing"):
        verify_bundle(change_bundle(signed.v1, change), trusting(make_entry(sigstore)))


def test_signature_without_any_time_is_refused(sigstore: PrivateSigstore, signed: Signed) -> None:
    trust = trusting(make_entry(sigstore))
    for bundle, change in ((signed.v1, no_promise), (signed.v2, no_stamp)):
        with pytest.raises(SignatureError, match="no time of signing"):
            verify_bundle(change_bundle(bundle, change), trust)


def test_promise_is_not_left_unverified_for_the_sake_of_a_stamp(
    sigstore: PrivateSigstore, signed: Signed
) -> None:
    def change(body: dict[str, Any]) -> None:
        no_time(body)
        other_promise(body)

    with pytest.raises(SignatureError, match="a time of an untrusted source"):
        verify_bundle(change_bundle(signed.v1_stamped, change), trusting(make_entry(sigstore)))


def no_stamp(body: dict[str, Any]) -> None:
    stamps_of(body).clear()


def changed_stamp(body: dict[str, Any]) -> None:
    stamps_of(body)[0]["signedTimestamp"] = flip(stamps_of(body)[0]["signedTimestamp"])


def broken_stamp(body: dict[str, Any]) -> None:
    stamps_of(body)[0]["signedTimestamp"] = base64.b64encode(b"no stamp").decode()


def same_stamp_twice(body: dict[str, Any]) -> None:
    stamps_of(body).append(stamps_of(body)[0])


@pytest.mark.parametrize("change", [no_stamp, changed_stamp, broken_stamp, same_stamp_twice])
def test_stamp_that_vouches_for_nothing_is_refused(
    sigstore: PrivateSigstore, signed: Signed, change: Change
) -> None:
    with pytest.raises(SignatureError, match="not verified|no time of signing"):
        verify_bundle(change_bundle(signed.v2, change), trusting(make_entry(sigstore)))


def test_stamp_of_another_signature_is_refused(sigstore: PrivateSigstore, signed: Signed) -> None:
    other = stamps_of(json.loads(signed.v1_stamped.content))

    def change(body: dict[str, Any]) -> None:
        stamps_of(body)[:] = other

    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(change_bundle(signed.v2, change), trusting(make_entry(sigstore)))


@pytest.mark.parametrize("part", ["certificate", "tlogEntries"])
def test_part_of_another_signature_of_the_same_job_is_refused(
    sigstore: PrivateSigstore, signed: Signed, part: str
) -> None:
    other = json.loads(signed.v1_stamped.content)["verificationMaterial"][part]

    def change(body: dict[str, Any]) -> None:
        body["verificationMaterial"][part] = other

    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(change_bundle(signed.v1, change), trusting(make_entry(sigstore)))


def message_signature(body: dict[str, Any]) -> None:
    signature = body.pop("dsseEnvelope")["signatures"][0]["sig"]
    digest = {"algorithm": "SHA2_256", "digest": base64.b64encode(b"\0" * 32).decode()}
    body["messageSignature"] = {"messageDigest": digest, "signature": signature}


def both_kinds_of_content(body: dict[str, Any]) -> None:
    envelope = body["dsseEnvelope"]
    message_signature(body)
    body["dsseEnvelope"] = envelope


def key_beside_the_certificate(body: dict[str, Any]) -> None:
    body["verificationMaterial"]["publicKey"] = {"hint": "a" * 64}


def older_version(body: dict[str, Any]) -> None:
    body["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1"


@pytest.mark.parametrize(
    "change", [message_signature, both_kinds_of_content, key_beside_the_certificate, older_version]
)
def test_bundle_of_another_kind_is_none(signed: Signed, change: Change) -> None:
    with pytest.raises(SignatureError, match="not a bundle"):
        change_bundle(signed.v1, change)


def test_key_that_stands_twice_in_a_bundle_makes_it_none(signed: Signed) -> None:
    text = signed.v1.content.replace(b'"integratedTime"', b'"logIndex":"0","integratedTime"', 1)
    assert text != signed.v1.content
    with pytest.raises(SignatureError, match="duplicate key: logIndex"):
        parse_bundle(text)


@pytest.mark.parametrize("kind", ["v1", "v1_stamped", "v2"])
def test_any_changed_byte_is_refused_or_changes_nothing_of_what_is_believed(
    sigstore: PrivateSigstore, signed: Signed, kind: str
) -> None:
    """No signature covers the name beside a checkpoint's signature, and the like."""
    bundle, trust, chance = getattr(signed, kind), trusting(make_entry(sigstore)), Random(kind)
    believed = verify_keyless(bundle, trust)
    refused = 0
    for _ in range(400):
        content = bytearray(bundle.content)
        content[chance.randrange(len(content))] = chance.choice(b'09azAZ+/={}[]",:\\\x00\xff')
        try:
            changed = parse_bundle(bytes(content))
            assert verify_keyless(changed, trust) == believed
            assert changed.statement == bundle.statement
        except SecurityError:
            refused += 1
    assert refused > 350
