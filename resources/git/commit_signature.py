"""The signature of a commit, verified against the signers that the project trusts.

Git only reads the commit: its own verification would start a program that the configuration of the
repository or user names. GnuPG and ssh-keygen verify the bytes in an empty directory, without the
keyring, signer list or agent of the user, and without a network.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from resources.errors import (
    ConfigurationError,
    UnavailableError,
    UntrustedCommitError,
    wrap_os_error,
)
from resources.git.command import call_git
from resources.git.object_format import hash_object
from security.content.printable import printable
from security.errors import SecurityError
from security.signing.commit_identity import verify_commit_identity
from security.signing.openpgp_status import read_signer
from security.signing.public_key import SignatureError
from security.signing.signed_commit import LARGEST, Scheme, SignedCommit, parse_signed_commit

#: The directory of the files that name trusted signers, read from the protected branch.
COMMITTERS = ".ml-assets/committers"
ALLOWED_SIGNERS = "allowed-signers"
REVOKED_KEYS = "revoked-keys"
_SECONDS = 60.0
_MOST_PRINCIPALS = 32
_HINT = f"add the signer to {COMMITTERS} on the protected branch"
_GPG = (
    *("--batch", "--no-tty", "--no-options", "--status-fd", "1", "--trust-model", "always"),
    *("--no-autostart", "--disable-dirmngr", "--auto-key-locate", "clear"),
    *("--no-auto-key-retrieve", "--no-auto-check-trustdb"),
)


def verify_commit(repository: Path, commit: str, trusted: Mapping[str, bytes]) -> str:
    """Verify the signature of a commit and return its signer. The steps:

    1. Read the bytes that have this hash, not a replacement (``refs/replace``) or a changed file.
    2. Split it into exactly one signature and the signed bytes (``signed_commit``).
    3. Verify that the signer is trusted for commits, and that the key is neither expired nor
       revoked now. The times in a commit are only a claim of its author.

    Args:
        commit: the full hash.
        trusted: the files below ``COMMITTERS`` at the protected branch, by name.

    Returns:
        The signer, as text for people.

    Raises:
        UntrustedCommitError: the commit has no signature, or none from a trusted signer.
        ConfigurationError: the files with the trusted signers cannot be read.
        UnavailableError: a program or the commit is missing.
    """
    content = _read_object(repository, commit)  # 1
    try:
        signed = parse_signed_commit(content, commit)  # 2
        if signed.scheme is Scheme.KEYLESS:
            return verify_commit_identity(signed, trusted, COMMITTERS)  # 3
        with tempfile.TemporaryDirectory(prefix="ml-assets-commit-") as place:
            verify = _verify_ssh if signed.scheme is Scheme.SSH else _verify_openpgp
            return verify(signed, trusted, Path(place))
    except SignatureError as error:
        raise UntrustedCommitError(f"commit {commit[:12]}: {error.message}", error.hint) from error
    except SecurityError as error:
        raise ConfigurationError(error.message, error.hint) from error
    except OSError as error:
        raise wrap_os_error(error) from error


def _read_object(repository: Path, commit: str) -> bytes:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        raise ConfigurationError(
            f"not the full hash of a commit: {printable(commit)}", "find the hash: git log"
        )
    found = []
    for option in ("-s", "commit"):
        done = call_git(repository, "--no-replace-objects", "cat-file", option, commit)
        found.append(done.stdout)
        if option == "-s" and int(done.stdout) > LARGEST:
            raise UntrustedCommitError(
                f"commit {commit[:12]}: too large: {int(done.stdout)} bytes",
                f"shorten the commit to at most {LARGEST} bytes: git commit --amend",
            )
    if hash_object(b"commit", found[1], len(commit)) != commit:
        raise UnavailableError(
            f"Git object missing or corrupt: {commit}",
            f"check the repository: git -C {repository} fsck --full",
        )
    return found[1]


def _verify_openpgp(signed: SignedCommit, trusted: Mapping[str, bytes], place: Path) -> str:
    keys = {name: content for name, content in trusted.items() if name.endswith(".asc")}
    if not keys:
        raise SignatureError(
            "no trusted GPG key in this project", f"add a public key: {COMMITTERS}/NAME.asc"
        )
    for name, content in sorted(keys.items()):
        said = _run(place, content, "gpg", *_GPG, "--import").stdout
        # The exit code says nothing: it is 2 if the path is too long for the socket of an agent.
        tried = re.search(rb"^\[GNUPG:\] IMPORT_RES ([1-9][0-9]*) ", said, re.MULTILINE)
        imported = said.count(b"[GNUPG:] IMPORT_OK ")
        if tried is None or int(tried[1]) != imported:
            raise ConfigurationError(
                f"not an OpenPGP public key: {COMMITTERS}/{printable(name)}",
                "export the key again: gpg --armor --export ADDRESS",
            )
    (place / "signature").write_bytes(signed.signature)
    done = _run(place, signed.payload, "gpg", *_GPG, "--verify", "signature", "-")
    signer = read_signer(done.stdout)
    if done.returncode != 0:
        raise SignatureError(f"gpg rejects the signature: exit code {done.returncode}", _HINT)
    return signer


def _verify_ssh(signed: SignedCommit, trusted: Mapping[str, bytes], place: Path) -> str:
    """Try each principal of the key in the signer list until one may sign commits."""
    if ALLOWED_SIGNERS not in trusted:
        raise SignatureError(
            "no trusted SSH key in this project", f"add the key to {COMMITTERS}/{ALLOWED_SIGNERS}"
        )
    (place / ALLOWED_SIGNERS).write_bytes(trusted[ALLOWED_SIGNERS])
    (place / "signature").write_bytes(signed.signature)
    files = ["-f", ALLOWED_SIGNERS, "-s", "signature"]
    listed = _run(place, b"", "ssh-keygen", "-Y", "find-principals", *files)
    names = listed.stdout.decode("utf-8", "replace").splitlines()
    principals = [name for name in names if not name.startswith("!")]  # excluded in the list
    if listed.returncode != 0 or not principals:
        raise SignatureError(f"signer not trusted: {_reason(listed)}", _HINT)
    if REVOKED_KEYS in trusted:
        (place / REVOKED_KEYS).write_bytes(trusted[REVOKED_KEYS])
        files += ["-r", REVOKED_KEYS]
    reason = ""
    for name in principals[:_MOST_PRINCIPALS]:
        who = ("-I", name, "-n", "git")
        done = _run(place, signed.payload, "ssh-keygen", "-Y", "verify", *files, *who)
        good = re.fullmatch(
            rf'Good "git" signature for {re.escape(name)} with [A-Z0-9-]+ key (SHA256:\S+)\n',
            done.stdout.decode("utf-8", "replace"),
        )
        if done.returncode == 0 and good:
            return f"{printable(name)} (SSH {good[1]})"
        reason = _reason(done)
    raise SignatureError(f"signature not verified: {reason}", _HINT)


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the reason that ssh-keygen printed."""
    lines = (done.stderr + done.stdout).decode("utf-8", "replace").splitlines()
    return printable("; ".join(line.strip() for line in lines[:3])) or "no reason given"


def _run(
    place: Path, stdin: bytes, program: str, *arguments: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a program that sees no other home directory than ``place``."""
    home = os.fspath(place)
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": home}
    hint = "install GnuPG and OpenSSH: apt-get install gnupg openssh-client"
    try:
        done = subprocess.run(
            [program, *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            cwd=place,
            env={**environment, "GNUPGHOME": home},
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"{program} timed out after {_SECONDS:.0f} s", "run again"
        ) from error
    except OSError as error:
        raise UnavailableError(f"{program} cannot be started", hint) from error
    if done.returncode < 0:
        raise UnavailableError(
            f"{program} was ended by signal {-done.returncode}", f"check it: {program} --version"
        )
    return done
