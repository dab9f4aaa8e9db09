"""The signed repository: commits signed with real keys, and objects that were tampered with."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from resources.errors import UntrustedCommitError
from resources.git.commit_signature import verify_commit

ALICE = "Alice <alice@example.com>"
MALLORY = "Mallory <mallory@example.com>"
EXPIRED = "Expired <expired@example.com>"
REVOKED = "Revoked <revoked@example.com>"
#: What gpg gets to believe that it is years ago.
PAST = "--faked-system-time 20200101T120000"


@dataclass(frozen=True)
class SignedRepository:
    """A repository, and how commits are made in it."""

    root: Path

    @classmethod
    def create(cls, root: Path, hashes: str = "sha1") -> SignedRepository:
        """Make an empty one."""
        root.mkdir(parents=True, exist_ok=True)
        made = cls(root)
        made.git("init", "--quiet", f"--object-format={hashes}", ".")
        return made

    def git(self, *arguments: str, stdin: bytes = b"", **environment: str) -> bytes:
        """Run Git; what it answers, without the line's end."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            input=stdin,
            capture_output=True,
            check=True,
            env={**os.environ, **environment},
        )
        return done.stdout.removesuffix(b"\n")

    def commit(self, message: str = "a change") -> str:
        """Commit without a signature."""
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.head()

    def commit_openpgp(
        self, home: Path, user: str, message: str = "a change", options: str = ""
    ) -> str:
        """Commit with a GPG signature.

        Args:
            options: that gpg gets beside Git's.
        """
        program = self.root.parent / "signing-gpg"
        program.write_text(f'#!/bin/sh\nexec gpg --no-options {options} "$@"\n')
        program.chmod(0o755)
        settings = ("-c", f"user.signingkey={user}", "-c", f"gpg.program={program}")
        words = ("commit", "--quiet", "--allow-empty", "-S", "-m", message)
        self.git(*settings, *words, GNUPGHOME=os.fspath(home))
        return self.head()

    def commit_ssh(self, key: Path, message: str = "a change") -> str:
        """Commit with an SSH signature."""
        settings = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={key}")
        self.git(*settings, "commit", "--quiet", "--allow-empty", "-S", "-m", message)
        return self.head()

    def head(self) -> str:
        """Return the hash of the last commit."""
        return self.git("rev-parse", "HEAD").decode()

    def content(self, commit: str) -> bytes:
        """Return a commit's bytes."""
        return self.git("cat-file", "commit", commit) + b"\n"

    def write(self, content: bytes) -> str:
        """Write a commit from its bytes, whatever they are; return its hash."""
        arguments = ("hash-object", "-t", "commit", "-w", "--literally", "--stdin")
        return self.git(*arguments, stdin=content).decode()


def make_ssh_key(directory: Path, name: str) -> Path:
    """Make an SSH key; the public half lies beside it."""
    path = directory / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", os.fspath(path)]
    subprocess.run(command, check=True)
    return path


def allow(key: Path, principal: str = "alice@example.com", options: str = "") -> bytes:
    """Return the line of a list of allowed signers for a key."""
    kind, public, *_ = key.with_name(f"{key.name}.pub").read_text().split()
    return " ".join(filter(None, (principal, options, kind, public))).encode() + b"\n"


class Keyring:
    """A GnuPG directory with keys of its own; short, since its sockets lie in it."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="gpg-"))

    def gpg(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run GnuPG in it."""
        command = ["gpg", "--homedir", os.fspath(self.home), "--batch", "--quiet", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout

    def generate(self, user: str, *options: str, life: str = "never") -> None:
        """Make a key that signs."""
        words = ("--passphrase", "", "--quick-generate-key", user, "ed25519", "sign", life)
        self.gpg(*options, *words)

    def revoke(self, user: str) -> None:
        """Revoke a key with the certificate that was made with it."""
        listed = self.gpg("--with-colons", "--list-keys", user).decode()
        fingerprint = listed.split("fpr:")[1].strip(":").split(":")[0]
        prepared = (self.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
        self.gpg("--import", stdin=prepared.replace(":-----BEGIN", "-----BEGIN").encode())

    def export(self, user: str) -> bytes:
        """Return a public key, armoured."""
        return self.gpg("--armor", "--export", user)

    def close(self) -> None:
        """End what runs in it, and remove it."""
        subprocess.run(["gpgconf", "--homedir", os.fspath(self.home), "--kill", "all"], check=False)
        shutil.rmtree(self.home, ignore_errors=True)


def refuse(repository: SignedRepository, commit: str, trusted: dict[str, bytes], why: str) -> None:
    """Hold that a commit is not trusted, and that the message says why."""
    with pytest.raises(UntrustedCommitError, match=why):
        verify_commit(repository.root, commit, trusted)
