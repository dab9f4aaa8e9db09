"""Signed commits: with real keys of GPG and SSH, and everything that must not pass for one."""

import os
import shutil
from pathlib import Path

import psutil
import pytest

from resources.errors import ConfigurationError, UnavailableError
from resources.git.commit_signature import verify_commit
from tests.integration.commits.signed_repository import (
    ALICE,
    EXPIRED,
    MALLORY,
    PAST,
    REVOKED,
    Keyring,
    SignedRepository,
    allow,
    make_ssh_key,
    refuse,
)

pytestmark = [pytest.mark.system("gnupg"), pytest.mark.system("openssh-client")]


def test_commit_signed_by_a_trusted_gpg_key_is_told_with_its_owner(
    repository: SignedRepository, keyring: Keyring
) -> None:
    commit = repository.commit_openpgp(keyring.home, ALICE)
    trusted = {"alice.asc": keyring.export(ALICE), "mallory.asc": keyring.export(MALLORY)}
    assert verify_commit(repository.root, commit, trusted).startswith(f"{ALICE} (OpenPGP ")


def test_commit_signed_by_a_trusted_ssh_key_is_told_with_its_owner(
    repository: SignedRepository, key: Path
) -> None:
    commit = repository.commit_ssh(key)
    found = verify_commit(repository.root, commit, {"allowed-signers": allow(key)})
    assert found.startswith("alice@example.com (SSH SHA256:")


def test_message_of_several_paragraphs_and_a_merge_are_read_as_git_reads_them(
    repository: SignedRepository, key: Path
) -> None:
    trusted = {"allowed-signers": allow(key)}
    first = repository.commit_ssh(key, "one\n\ngpgsig of nobody\n\n-----BEGIN SSH SIGNATURE-----\n")
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit("side")
    settings = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={key}")
    repository.git(*settings, "tag", "-s", "v1", "-m", "a signed tag")
    repository.git("checkout", "--quiet", "-B", "trunk", first)
    repository.git(*settings, "merge", "--quiet", "--no-ff", "-S", "-m", "merge", "v1")
    assert b"\nmergetag " in repository.content(repository.head())
    for commit in (first, repository.head()):
        assert verify_commit(repository.root, commit, trusted)


def test_commits_of_a_sha256_repository_are_verified(tmp_path: Path, key: Path) -> None:
    repository = SignedRepository.create(tmp_path / "sha256", "sha256")
    commit = repository.commit_ssh(key)
    assert len(commit) == 64
    assert verify_commit(repository.root, commit, {"allowed-signers": allow(key)})


def test_unsigned_commit_is_refused(repository: SignedRepository, key: Path) -> None:
    refuse(repository, repository.commit(), {"allowed-signers": allow(key)}, "not signed")


def test_commit_signed_by_another_key_is_refused(
    repository: SignedRepository, keyring: Keyring, key: Path, tmp_path: Path
) -> None:
    other = make_ssh_key(tmp_path, "mallory")
    trusted = {"allowed-signers": allow(key), "alice.asc": keyring.export(ALICE)}
    refuse(repository, repository.commit_ssh(other), trusted, "signer not trusted")
    by_mallory = repository.commit_openpgp(keyring.home, MALLORY)
    refuse(repository, by_mallory, trusted, "key not trusted")


def test_nobody_is_trusted_without_files(
    repository: SignedRepository, keyring: Keyring, key: Path
) -> None:
    refuse(repository, repository.commit_ssh(key), {}, "no trusted SSH key")
    by_alice = repository.commit_openpgp(keyring.home, ALICE)
    refuse(repository, by_alice, {"allowed-signers": allow(key)}, "no trusted GPG key")


def test_expired_keys_and_signatures_are_refused(
    repository: SignedRepository, keyring: Keyring, key: Path
) -> None:
    commit = repository.commit_openpgp(keyring.home, EXPIRED, options=PAST)
    refuse(repository, commit, {"a.asc": keyring.export(EXPIRED)}, "the key has expired")
    keyring.generate("Old <old@example.com>", *PAST.split())
    commit = repository.commit_openpgp(
        keyring.home, "old@example.com", options=f"{PAST} --default-sig-expire 1d"
    )
    refuse(
        repository, commit, {"a.asc": keyring.export("old@example.com")}, "signature has expired"
    )
    retired = allow(key, options='valid-before="20200101"')
    refuse(repository, repository.commit_ssh(key), {"allowed-signers": retired}, "key has expired")


def test_time_that_the_author_writes_does_not_bring_a_retired_key_back(
    repository: SignedRepository, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2019-06-01T00:00:00Z")
    retired = allow(key, options='valid-before="20200101"')
    refuse(repository, repository.commit_ssh(key), {"allowed-signers": retired}, "key has expired")


def test_revoked_keys_are_refused(
    repository: SignedRepository, keyring: Keyring, key: Path
) -> None:
    commit = repository.commit_openpgp(keyring.home, REVOKED)
    assert verify_commit(repository.root, commit, {"a.asc": keyring.export(REVOKED)})
    keyring.revoke(REVOKED)
    refuse(repository, commit, {"a.asc": keyring.export(REVOKED)}, "the key is revoked")
    trusted = {"allowed-signers": allow(key)}
    revoked = trusted | {"revoked-keys": key.with_suffix(".pub").read_bytes()}
    commit = repository.commit_ssh(key)
    assert verify_commit(repository.root, commit, trusted)
    refuse(repository, commit, revoked, "not verified")
    refuse(repository, commit, trusted | {"revoked-keys": b"unreadable"}, "not verified")


def test_weak_hash_is_refused(repository: SignedRepository, keyring: Keyring) -> None:
    commit = repository.commit_openpgp(keyring.home, ALICE, options="--digest-algo SHA1")
    refuse(repository, commit, {"a.asc": keyring.export(ALICE)}, "weak hash")


def test_program_that_the_configuration_names_is_not_asked(
    repository: SignedRepository,
    keyring: Keyring,
    key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    liar = tmp_path / "liar"
    liar.write_text(
        f"#!/bin/sh\ntouch {tmp_path}/asked\n"
        'echo "[GNUPG:] GOODSIG 1 Alice"; echo "Good \\"git\\" signature for alice"\n'
    )
    liar.chmod(0o755)
    settings = "".join(
        f"[{section}]\n\tprogram = {liar}\n" for section in ("gpg", 'gpg "ssh"', 'gpg "x509"')
    )
    (home / ".gitconfig").write_text(settings)
    allowed = tmp_path / "users-list"
    allowed.write_bytes(allow(key))
    by_gpg = repository.commit_openpgp(keyring.home, MALLORY)
    by_ssh = repository.commit_ssh(key)
    monkeypatch.setenv("HOME", os.fspath(home))
    monkeypatch.setenv("GNUPGHOME", os.fspath(keyring.home))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    with (repository.root / ".git" / "config").open("a") as config:
        config.write(f'{settings}[gpg "ssh"]\n\tallowedSignersFile = {allowed}\n')
    trusted = {"alice.asc": keyring.export(ALICE), "allowed-signers": b""}
    refuse(repository, by_gpg, trusted, "key not trusted")
    refuse(repository, by_ssh, trusted, "signer not trusted")
    assert not (tmp_path / "asked").exists()


def test_list_of_the_judged_commit_has_no_effect(
    repository: SignedRepository, key: Path, tmp_path: Path
) -> None:
    other = make_ssh_key(tmp_path, "mallory")
    directory = repository.root / ".ml-assets" / "committers"
    directory.mkdir(parents=True)
    (directory / "allowed-signers").write_bytes(allow(other))
    repository.git("add", ".")
    commit = repository.commit_ssh(other)
    refuse(repository, commit, {"allowed-signers": allow(key)}, "signer not trusted")


def test_what_cannot_be_judged_is_no_pass(
    repository: SignedRepository,
    keyring: Keyring,
    key: Path,
    trusted: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    by_gpg, by_ssh = repository.commit_openpgp(keyring.home, ALICE), repository.commit_ssh(key)
    with pytest.raises(UnavailableError, match="git cat-file failed"):
        verify_commit(repository.root, "1" * 40, trusted)
    with pytest.raises(ConfigurationError, match="not the full hash"):
        verify_commit(repository.root, "HEAD", trusted)
    with pytest.raises(ConfigurationError, match="not an OpenPGP public key: .*/bad.asc"):
        verify_commit(repository.root, by_gpg, trusted | {"bad.asc": b"no key"})
    secret = keyring.gpg("--armor", "--export-secret-keys", ALICE)
    with pytest.raises(ConfigurationError, match="not an OpenPGP public key: .*/secret.asc"):
        verify_commit(repository.root, by_gpg, {"secret.asc": secret})
    only_git = tmp_path / "bin"
    only_git.mkdir()
    found = shutil.which("git")
    assert found is not None
    (only_git / "git").symlink_to(found)
    monkeypatch.setenv("PATH", os.fspath(only_git))
    with pytest.raises(UnavailableError, match="gpg cannot be started"):
        verify_commit(repository.root, by_gpg, trusted)
    with pytest.raises(UnavailableError, match="ssh-keygen cannot be started"):
        verify_commit(repository.root, by_ssh, trusted)


def test_exit_code_of_a_program_alone_is_not_believed(
    repository: SignedRepository, key: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = repository.commit_ssh(key)
    programs = tmp_path / "bin"
    programs.mkdir()
    silent = programs / "ssh-keygen"
    silent.write_text('#!/bin/sh\n[ "$2" = verify ] || echo alice@example.com\n')
    silent.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    refuse(repository, commit, {"allowed-signers": allow(key)}, "not verified: no reason given")


def test_no_process_and_no_file_is_left(
    repository: SignedRepository,
    keyring: Keyring,
    trusted: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    commit = repository.commit_openpgp(keyring.home, ALICE)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", os.fspath(scratch))
    assert verify_commit(repository.root, commit, trusted)
    assert not list(scratch.iterdir())
    running = [one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])]
    assert not [line for line in running if os.fspath(scratch) in " ".join(line)]
