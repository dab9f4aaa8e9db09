"""Attacks on keyless signatures: whom the list does not name, other keys, and wrong clocks."""

import datetime
import json
from typing import Any

import pytest

from security.content.table import PolicyError
from security.signing.public_key import SignatureError
from security.signing.signature import verify_bundle
from security.signing.trust import parse_trust
from tests.integration.keyless.keyless_samples import (
    Change,
    Signed,
    make_entry,
    make_statement,
    open_signer,
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
    with pytest.raises(SignatureError, match="retirement"):
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


# --- what a dishonest or mistaken service has certified


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize(("rekor", "clock"), [(1, "log_clock"), (2, "stamp_clock")])
def test_time_outside_of_the_certificates_is_refused(
    job: PrivateSigstore, monkeypatch: pytest.MonkeyPatch, rekor: int, clock: str, hours: int
) -> None:
    setattr(job.behaviour, clock, datetime.timedelta(hours=hours))
    monkeypatch.setattr("resources.signing.keyless_signer.verify_keyless", lambda *_: None)
    bundle = open_signer(job, rekor).sign(make_statement())
    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(bundle, trusting(make_entry(job)))


def test_certificate_of_two_issuers_is_refused(
    job: PrivateSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.behaviour.first_issuer = other = "https://issuer.example"
    monkeypatch.setattr("resources.signing.keyless_signer.verify_keyless", lambda *_: None)
    bundle = open_signer(job).sign(make_statement())
    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(bundle, trusting(make_entry(job)))
    with pytest.raises(SignatureError, match="not trusted"):
        verify_bundle(bundle, trusting(make_entry(job, issuer=other)))


def test_certificate_that_may_issue_others_is_refused(job: PrivateSigstore) -> None:
    job.behaviour.authority = True
    with pytest.raises(SignatureError, match="it may issue certificates"):
        open_signer(job).sign(make_statement())
