"""Commits that were tampered with: the bytes below and around a good signature are others."""

import os
import subprocess
from pathlib import Path

import pytest

from resources.errors import UntrustedCommitError
from resources.git.commit_signature import verify_commit
from tests.integration.commits.signed_repository import (
    ALICE,
    Keyring,
    SignedRepository,
    allow,
    refuse,
)

pytestmark = [pytest.mark.system("gnupg"), pytest.mark.system("openssh-client")]


def sign_both(repository: SignedRepository, keyring: Keyring, key: Path) -> tuple[bytes, bytes]:
    """Return the bytes of two commits, one signed each way."""
    by_gpg = repository.content(repository.commit_openpgp(keyring.home, ALICE, "by gpg"))
    return by_gpg, repository.content(repository.commit_ssh(key, "by ssh"))


def test_message_changed_below_an_old_signature_is_refused(
    repository: SignedRepository, keyring: Keyring, key: Path, trusted: dict[str, bytes]
) -> None:
    by_gpg, by_ssh = sign_both(repository, keyring, key)
    changed = repository.write(by_gpg.replace(b"by gpg", b"by gpf"))
    refuse(repository, changed, trusted, "signature of other bytes")
    changed = repository.write(by_ssh.replace(b"by ssh", b"by ssg"))
    refuse(repository, changed, trusted, "not verified: .*incorrect signature")


def split(content: bytes) -> tuple[bytes, bytes, bytes]:
    """Split a commit into what stands before, in and after its signature."""
    head, _, rest = content.partition(b"gpgsig ")
    signature, _, tail = rest.partition(b"-----\n\n")
    return head, b"gpgsig " + signature + b"-----\n", b"\n" + tail


def test_signature_of_another_commit_is_refused(
    repository: SignedRepository, keyring: Keyring, key: Path, trusted: dict[str, bytes]
) -> None:
    by_gpg, by_ssh = sign_both(repository, keyring, key)
    unsigned = repository.content(repository.commit("mine"))
    head, _, message = unsigned.partition(b"\n\n")
    for signed, why in ((by_gpg, "signature of other bytes"), (by_ssh, "incorrect signature")):
        pasted = head + b"\n" + split(signed)[1] + b"\n" + message
        refuse(repository, repository.write(pasted), trusted, why)


def test_two_signatures_are_refused(
    repository: SignedRepository, keyring: Keyring, key: Path, trusted: dict[str, bytes]
) -> None:
    by_gpg, by_ssh = sign_both(repository, keyring, key)
    head, first, tail = split(by_gpg)
    second = split(by_ssh)[1]
    more = {
        "two headers": first + second,
        "the same twice": first + first,
        "for another hash": first + second.replace(b"gpgsig ", b"gpgsig-sha256 "),
    }
    for what, signatures in more.items():
        commit = repository.write(head + signatures + tail)
        with pytest.raises(UntrustedCommitError, match="not exactly one signature"):
            pytest.fail(f"{what}: {verify_commit(repository.root, commit, trusted)}")
    joined = first + second.replace(b"gpgsig ", b" ")
    refuse(repository, repository.write(head + joined + tail), trusted, "not one signature")
    refuse(repository, repository.write(tail + head + first), trusted, "no tree first")


def test_signature_for_another_purpose_is_refused(
    repository: SignedRepository, key: Path, tmp_path: Path
) -> None:
    commit = repository.commit_ssh(key)
    for_files = {"allowed-signers": allow(key, options='namespaces="file"')}
    refuse(repository, commit, for_files, "not verified")
    content = repository.content(commit)
    head, signature, tail = split(content)
    (tmp_path / "payload").write_bytes(head + tail)
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", os.fspath(key), "-n", "file", "payload"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    armour = (tmp_path / "payload.sig").read_bytes().rstrip(b"\n").replace(b"\n", b"\n ")
    pasted = repository.write(head + b"gpgsig " + armour + b"\n" + tail)
    refuse(repository, pasted, {"allowed-signers": allow(key)}, "namespace does not match")


def test_principal_that_is_allowed_counts_beside_one_that_is_not(
    repository: SignedRepository, key: Path
) -> None:
    names = allow(key, "!mallory@example.com,*@example.com")
    found = verify_commit(repository.root, repository.commit_ssh(key), {"allowed-signers": names})
    assert found.startswith("*@example.com (SSH ")


def test_replaced_object_is_not_read(repository: SignedRepository, key: Path) -> None:
    unsigned, signed = repository.commit("mine"), repository.commit_ssh(key)
    repository.git("replace", unsigned, signed)
    refuse(repository, unsigned, {"allowed-signers": allow(key)}, "not signed")


def test_huge_and_broken_commits_are_refused(repository: SignedRepository, key: Path) -> None:
    trusted = {"allowed-signers": allow(key)}
    head, signature, tail = split(repository.content(repository.commit_ssh(key)))
    for content, why in (
        (head + signature + tail + b"x" * (1 << 20), "too large"),
        (head + b"gpgsig " + b"x" * (1 << 17) + b"\n" + tail, "not one signature"),
        (head + signature.replace(b"\n ", b"\n " + b"A" * 70 + b"\n ", 1) + tail, "trusted"),
        (
            head + b"gpgsig -----BEGIN PGP MESSAGE-----\n A\n -----END PGP MESSAGE-----\n" + tail,
            "not one signature by GPG, SSH or gitsign: PGP MESSAGE",
        ),
        (head + signature + tail + b"\0hidden", "a zero byte"),
    ):
        refuse(repository, repository.write(content), trusted, why)
