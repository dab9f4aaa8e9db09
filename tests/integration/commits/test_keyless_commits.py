"""Commits signed by gitsign: verified offline, with a private Sigstore for the public one."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms, core

from resources.errors import ConfigurationError, UntrustedCommitError
from resources.git.commit_signature import verify_commit
from security.signing.signed_commit import parse_signed_commit
from tests.integration.commits.keyless_commit import (
    PERSON,
    KeylessSigner,
    commit,
    put_signature,
    trust,
)
from tests.integration.commits.signed_repository import SignedRepository, refuse
from tests.private_sigstore.authority import SigningKey
from tests.private_sigstore.behaviour import Behaviour
from tests.private_sigstore.server import PrivateSigstore


def test_commit_of_a_trusted_identity_is_told_with_its_issuer(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    found = verify_commit(repository.root, commit(repository, sigstore), trust(sigstore))
    assert found == f"{PERSON}, issued by {sigstore.url} (gitsign)"


def test_only_the_pair_of_identity_and_issuer_is_trusted(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    signed = commit(repository, sigstore)
    for values in ({"identity": "bob@example.com"}, {"issuer": "https://other.example"}):
        refuse(repository, signed, trust(sigstore, **values), f"not trusted: {PERSON}")
    mallory = commit(repository, sigstore, person="mallory@example.com")
    refuse(repository, mallory, trust(sigstore), "not trusted: mallory@example.com")
    refuse(repository, signed, {}, "no trusted gitsign identities")


def test_certificate_of_another_authority_is_refused(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    root = json.loads(trust(sigstore)["root.json"])
    root["certificateAuthorities"] = trust_root_of_another()["certificateAuthorities"]
    files = trust(sigstore) | {"root.json": json.dumps(root).encode()}
    refuse(repository, commit(repository, sigstore), files, "not verified: CertValidationError")


def trust_root_of_another() -> dict[str, Any]:
    return PrivateSigstore().trusted_root()


def test_message_changed_below_an_old_keyless_signature_is_refused(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    content = repository.content(commit(repository, sigstore))
    changed = repository.write(content.replace(b"by gitsign", b"by gitsogn"))
    refuse(repository, changed, trust(sigstore), "digest of another commit")


def test_stolen_certificate_without_its_key_is_refused(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    signed = commit(repository, sigstore, other_key=SigningKey.generate())
    refuse(repository, signed, trust(sigstore), "not verified: .*Signature is invalid")


def test_promise_of_another_certificate_log_is_refused(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    sigstore.behaviour = Behaviour(foreign_sct=True)
    refuse(repository, commit(repository, sigstore), trust(sigstore), "not verified: .*SCT")


def test_signed_attributes_have_to_say_what_they_are_of(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    for signed, why in (
        (lambda found: found[:2], "digest of another commit"),
        (lambda found: found[1:], "content type not data"),
        (lambda found: [*found, found[2]], "several values"),
        (lambda found: [], "content type not data|not "),
    ):
        refuse(repository, commit(repository, sigstore, signed=signed), trust(sigstore), why)


def add_signer(data: Any) -> None:
    data["signer_infos"] = cms.SignerInfos([data["signer_infos"][0]] * 2)


def add_certificate(data: Any) -> None:
    data["certificates"] = cms.CertificateSet([data["certificates"][0].chosen] * 2)


def attach(data: Any) -> None:
    content = {"content_type": "data", "content": core.OctetString(b"tree")}
    data["encap_content_info"] = content


def name_other(data: Any) -> None:
    data["signer_infos"][0]["sid"].chosen["serial_number"] = 1


def weaken(data: Any) -> None:
    data["signer_infos"][0]["digest_algorithm"] = {"algorithm": "sha1"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (add_signer, "not one signer with one certificate"),
        (add_certificate, "not one signer with one certificate"),
        (attach, "not detached"),
        (name_other, "certificate of another signer"),
        (weaken, "not SHA-256"),
    ],
)
def test_other_shape_than_that_of_gitsign_is_refused(
    repository: SignedRepository, sigstore: PrivateSigstore, change: Any, why: str
) -> None:
    refuse(repository, commit(repository, sigstore, change=change), trust(sigstore), why)


def test_no_flipped_bit_passes(repository: SignedRepository, sigstore: PrivateSigstore) -> None:
    content = repository.content(repository.commit("by gitsign"))
    der = KeylessSigner(sigstore).sign(content)
    verify_commit(repository.root, repository.write(put_signature(content, der)), trust(sigstore))
    # The log's name before its signature is for people: it is known by its key.
    named = der.rindex("\N{EM DASH} ".encode()) + 4
    passed = []
    for at in range(0, len(der), 23):
        changed = der[:at] + bytes((der[at] ^ 1,)) + der[at + 1 :]
        signed = repository.write(put_signature(content, changed))
        try:
            verify_commit(repository.root, signed, trust(sigstore))
        except UntrustedCommitError:
            continue
        passed.append(at)
    assert not [at for at in passed if not named <= at < der.index(b" ", named)]
    assert der[:2] == b"\x30\x82"
    longer = b"\x30\x83\0" + der[2:]  # the same for readers of BER
    for other in (longer, der + b"\0", b""):
        signed = repository.write(put_signature(content, other))
        refuse(repository, signed, trust(sigstore), "not ")


def test_revoked_and_retired_identities_are_refused(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    signed = commit(repository, sigstore)
    for more, why in (
        ("revoked = 2030-01-01T00:00:00Z", "signer revoked"),
        ("until = 2020-01-01T00:00:00Z", "signed outside the validity of .*"),
        ("from = 2100-01-01T00:00:00Z", "signed outside the validity of .*"),
    ):
        refuse(repository, signed, trust(sigstore, more), why)
    twice = trust(sigstore)
    both = trust(sigstore, "revoked = 2026-01-01T00:00:00Z")["keyless.toml"]
    twice["keyless.toml"] += both.replace(b"version = 1\n", b"")
    refuse(repository, signed, twice, "signer revoked")


def test_list_that_cannot_be_read_is_no_pass(
    repository: SignedRepository, sigstore: PrivateSigstore
) -> None:
    signed = commit(repository, sigstore)
    for files, why in (
        (trust(sigstore, root="missing.json"), "no such file next to it"),
        (trust(sigstore, more='for = ["provenance"]'), "unknown setting: for"),
        (trust(sigstore) | {"keyless.toml": b"version = 2"}, "version: not 1"),
        (trust(sigstore) | {"keyless.toml": b"version = 1\nkeys = []"}, "keys"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            verify_commit(repository.root, signed, files)
    broken = trust(sigstore) | {"root.json": b"{}"}
    refuse(repository, signed, broken, "not verified: ")


def test_git_would_verify_the_same_bytes(
    repository: SignedRepository, sigstore: PrivateSigstore, tmp_path: Path
) -> None:
    signed = commit(repository, sigstore)
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\ncp "$3" {tmp_path}/signature\ncat > {tmp_path}/payload\n')
    program.chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError):  # since the program says nothing
        repository.git("-c", f"gpg.x509.program={program}", "verify-commit", signed)
    ours = parse_signed_commit(repository.content(signed), signed)
    assert (tmp_path / "payload").read_bytes() == ours.payload
    assert (tmp_path / "signature").read_bytes() == ours.signature
    assert repository.git("fsck", "--strict", "--no-dangling") == b""
