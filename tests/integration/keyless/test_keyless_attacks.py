"""Attacks on keyless signatures: whom the list does not name, and one thing changed at a time."""

import base64
import datetime
import json
from dataclasses import replace
from typing import Any

import pytest

from security.bundle import parse_bundle
from security.policy_text import PolicyError
from security.public_key import SignatureError
from security.signature import verify_bundle
from security.trust import parse_trust
from tests.integration.keyless.keyless_samples import (
    Change,
    Signed,
    change_bundle,
    entry_of,
    flip,
    make_entry,
    make_statement,
    open_signer,
    stamps_of,
    trusting,
)
from tests.private_sigstore.oidc import WORKFLOW
from tests.private_sigstore.server import PrivateSigstore

BOTH = pytest.mark.parametrize("kind", ["v1", "v2"])


@BOTH
@pytest.mark.parametrize(
    "values",
    [
        {"issuer": "https://issuer.example"},
        {"issuer": ""},
        {"identity": WORKFLOW.replace("main", "pull/7/merge")},
        {"identity": WORKFLOW.replace("acme", "acmee")},
        {"identity": ""},
        {"identity": WORKFLOW.upper()},
        {"identity": "https://github.com/acme/*"},
    ],
    ids=str,
)
def test_identity_and_issuer_both_have_to_be_just_those_in_the_list(
    sigstore: PrivateSigstore, signed: Signed, kind: str, values: dict[str, str]
) -> None:
    with pytest.raises(SignatureError, match="not trusted"):
        verify_bundle(getattr(signed, kind), trusting(make_entry(sigstore, **values)))


def test_identity_of_one_entry_and_issuer_of_another_are_no_pair(
    sigstore: PrivateSigstore, signed: Signed
) -> None:
    entries = (
        make_entry(sigstore, issuer="https://issuer.example"),
        make_entry(sigstore, identity="dev@example.com"),
    )
    with pytest.raises(SignatureError, match="not trusted"):
        verify_bundle(signed.v1, trusting(*entries))


@pytest.mark.parametrize("missing", ["identity", "issuer", "root"])
def test_list_cannot_name_one_without_the_other(missing: str) -> None:
    entry = {"identity": WORKFLOW, "issuer": "https://issuer.example", "root": "root.json"}
    del entry[missing]
    lines = "\n".join(f'{name} = "{value}"' for name, value in entry.items())
    text = f"version = 1\n[[keyless]]\n{lines}\n".encode()
    with pytest.raises(PolicyError, match=missing):
        parse_trust({"trust.toml": text, "root.json": b"{}"}, "trust")


def test_control_characters_of_a_name_are_not_printed(job: PrivateSigstore) -> None:
    job.behaviour.claims = {"job_workflow_ref": "acme/\x1b[2Jflights"}
    bundle = open_signer(job).sign(make_statement())
    with pytest.raises(SignatureError, match=r"not trusted: .*\\x1b\[2J"):
        verify_bundle(bundle, trusting(make_entry(job)))


def test_revoked_entry_rules_over_another_with_the_same_pair(
    sigstore: PrivateSigstore, signed: Signed
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    entries = (make_entry(sigstore), make_entry(sigstore, revoked=now))
    with pytest.raises(SignatureError, match="revoked"):
        verify_bundle(signed.v1, trusting(*entries))


def test_signature_after_the_signer_was_retired_is_refused(
    sigstore: PrivateSigstore, signed: Signed
) -> None:
    hour = datetime.timedelta(hours=1)
    past = datetime.datetime.now(datetime.UTC) - hour
    with pytest.raises(SignatureError, match="retired"):
        verify_bundle(signed.v2, trusting(make_entry(sigstore, until=past)))
    with pytest.raises(SignatureError, match="before"):
        verify_bundle(signed.v2, trusting(make_entry(sigstore, since=past + 2 * hour)))


def test_second_root_of_one_pair_verifies_what_the_first_does_not(
    sigstore: PrivateSigstore, signed: Signed
) -> None:
    other = json.dumps(PrivateSigstore().trusted_root()).encode()
    entries = (make_entry(sigstore, root=other), make_entry(sigstore))
    verify_bundle(signed.v1, trusting(*entries))
    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(signed.v1, trusting(entries[0], entries[0]))


# --- another root of trust


def swap(name: str) -> Change:
    """Put other keys of one kind in a root."""

    def change(root: dict[str, Any]) -> None:
        root[name] = PrivateSigstore().trusted_root()[name]

    change.__name__ = name
    return change


@BOTH
@pytest.mark.parametrize("name", ["tlogs", "certificateAuthorities", "ctlogs"])
def test_other_key_of_a_service_verifies_nothing(
    sigstore: PrivateSigstore, signed: Signed, kind: str, name: str
) -> None:
    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(getattr(signed, kind), trusting(make_entry(sigstore, swap(name))))


@pytest.mark.parametrize("kind", ["v1_stamped", "v2"])
def test_stamp_of_an_unknown_authority_is_refused_even_beside_the_time_of_the_log(
    sigstore: PrivateSigstore, signed: Signed, kind: str
) -> None:
    entry = make_entry(sigstore, swap("timestampAuthorities"))
    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(getattr(signed, kind), trusting(entry))


@pytest.mark.parametrize("name", ["tlogs", "certificateAuthorities", "ctlogs"])
def test_root_without_the_keys_of_a_service_verifies_nothing(
    sigstore: PrivateSigstore, signed: Signed, name: str
) -> None:
    entry = make_entry(sigstore, lambda root: root.update({name: []}))
    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(signed.v1, trusting(entry))


def test_stamp_before_its_authority_was_trusted_is_refused(
    sigstore: PrivateSigstore, signed: Signed
) -> None:
    def change(root: dict[str, Any]) -> None:
        root["timestampAuthorities"][0]["validFor"] = {"start": "2099-01-01T00:00:00Z"}

    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(signed.v2, trusting(make_entry(sigstore, change)))


# --- one thing changed in the bundle


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
    with pytest.raises(SignatureError, match="not exactly one entry of the log"):
        verify_bundle(change_bundle(getattr(signed, kind), change), trusting(make_entry(sigstore)))


def test_payload_that_is_read_is_the_one_that_was_verified(
    sigstore: PrivateSigstore, signed: Signed
) -> None:
    read = replace(signed.v1, envelope=replace(signed.v1.envelope, payload=make_statement("evil")))
    with pytest.raises(SignatureError, match="another payload than the one that is read"):
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
    with pytest.raises(SignatureError, match="not verified|nobody says when"):
        verify_bundle(change_bundle(signed.v1, change), trusting(make_entry(sigstore)))


def test_signature_without_any_time_is_refused(sigstore: PrivateSigstore, signed: Signed) -> None:
    trust = trusting(make_entry(sigstore))
    for bundle, change in ((signed.v1, no_promise), (signed.v2, no_stamp)):
        with pytest.raises(SignatureError, match="nobody says when it was signed"):
            verify_bundle(change_bundle(bundle, change), trust)


def test_promise_is_not_left_unverified_for_the_sake_of_a_stamp(
    sigstore: PrivateSigstore, signed: Signed
) -> None:
    def change(body: dict[str, Any]) -> None:
        no_time(body)
        other_promise(body)

    with pytest.raises(SignatureError, match="a time that nobody trusted vouches for"):
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
    with pytest.raises(SignatureError, match="not verified|nobody says when"):
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
    with pytest.raises(SignatureError, match="a key stands there twice"):
        parse_bundle(text)


# --- what a dishonest or mistaken service has certified


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize(("rekor", "clock"), [(1, "log_clock"), (2, "stamp_clock")])
def test_time_outside_of_the_certificates_is_refused(
    job: PrivateSigstore, monkeypatch: pytest.MonkeyPatch, rekor: int, clock: str, hours: int
) -> None:
    setattr(job.behaviour, clock, datetime.timedelta(hours=hours))
    monkeypatch.setattr("resources.keyless.verify_keyless", lambda *_: None)
    bundle = open_signer(job, rekor).sign(make_statement())
    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(bundle, trusting(make_entry(job)))


def test_certificate_of_two_issuers_is_refused(
    job: PrivateSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.behaviour.first_issuer = other = "https://issuer.example"
    monkeypatch.setattr("resources.keyless.verify_keyless", lambda *_: None)
    bundle = open_signer(job).sign(make_statement())
    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(bundle, trusting(make_entry(job)))
    with pytest.raises(SignatureError, match="not trusted"):
        verify_bundle(bundle, trusting(make_entry(job, issuer=other)))


def test_certificate_that_may_issue_others_is_refused(job: PrivateSigstore) -> None:
    job.behaviour.authority = True
    with pytest.raises(SignatureError, match="it may issue others"):
        open_signer(job).sign(make_statement())
