"""The commit's signature: who has signed a commit, among those whom the project trusts.

Git itself verifies nothing here: it would ask the program that the repository's or the user's
configuration names. Only the object comes from Git; GnuPG and ssh-keygen judge its bytes, in an
empty directory, with nothing of the user's: no keyring, no list, no agent, no network.
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
from resources.git.command import run_git
from security.content.printable import printable
from security.errors import SecurityError
from security.signing.commit_identity import verify_commit_identity
from security.signing.openpgp_status import read_signer
from security.signing.public_key import SignatureError
from security.signing.signed_commit import LARGEST, Scheme, SignedCommit, parse_signed_commit

#: Where the files are that say whose signatures count: below it, on the protected branch.
COMMITTERS = ".ml-assets/committers"
ALLOWED_SIGNERS = "allowed-signers"
REVOKED_KEYS = "revoked-keys"
_SECONDS = 60.0
_MOST_PRINCIPALS = 32
_HINT = f"look at {COMMITTERS} of the protected branch"
_GPG = (
    *("--batch", "--no-tty", "--no-options", "--status-fd", "1", "--trust-model", "always"),
    *("--no-autostart", "--disable-dirmngr", "--auto-key-locate", "clear"),
    *("--no-auto-key-retrieve", "--no-auto-check-trustdb"),
)


def verify_commit(repository: Path, commit: str, trusted: Mapping[str, bytes]) -> str:
    """Verify who has signed a commit. The steps:

    1. The object is the one of this hash, as it is stored: no replacement (``refs/replace``).
    2. It has one signature, and the rest of its bytes is what is signed (``signed_commit``).
    3. The signature is of somebody in the files, for commits, and neither expired nor revoked now:
       the times in a commit are its author's word.

    Args:
        commit: the full hash.
        trusted: the files below ``COMMITTERS`` of the protected branch's commit, by name.

    Returns:
        Who has signed, for people to read.

    Raises:
        UntrustedCommitError: nobody has, or nobody who is trusted.
        ConfigurationError: the files that say who is trusted cannot be read.
        UnavailableError: it could not be judged: a program or the object is missing.
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
        raise ConfigurationError(f"not the full hash of a commit: {printable(commit)}", "git log")
    found = []
    for option in ("-s", "commit"):
        done = run_git(repository, "--no-replace-objects", "cat-file", option, commit)
        if done.returncode != 0:
            said = printable(done.stderr.decode("utf-8", "replace").strip())
            raise UnavailableError(f"git cat-file failed: {said}", "look: git fsck")
        found.append(done.stdout)
        if option == "-s" and int(done.stdout) > LARGEST:
            raise UntrustedCommitError(
                f"commit {commit[:12]}: too large: {int(done.stdout)} bytes",
                f"leave at most {LARGEST}",
            )
    return found[1]


def _verify_openpgp(signed: SignedCommit, trusted: Mapping[str, bytes], place: Path) -> str:
    keys = {name: content for name, content in trusted.items() if name.endswith(".asc")}
    if not keys:
        raise SignatureError("nobody is trusted to sign with GPG", f"add a key: {COMMITTERS}/*.asc")
    for name, content in sorted(keys.items()):
        said = _run(place, content, "gpg", *_GPG, "--import").stdout
        # Not the exit code: it is 2 where the directory's name is too long for an agent's socket.
        tried = re.search(rb"^\[GNUPG:\] IMPORT_RES ([1-9][0-9]*) ", said, re.MULTILINE)
        imported = said.count(b"[GNUPG:] IMPORT_OK ")
        if tried is None or int(tried[1]) != imported:
            raise ConfigurationError(
                f"not an OpenPGP public key: {COMMITTERS}/{printable(name)}",
                "write it with: gpg --armor --export ADDRESS",
            )
    (place / "signature").write_bytes(signed.signature)
    done = _run(place, signed.payload, "gpg", *_GPG, "--verify", "signature", "-")
    signer = read_signer(done.stdout)
    if done.returncode != 0:
        raise SignatureError(f"gpg refuses it: exit code {done.returncode}", _HINT)
    return signer


def _verify_ssh(signed: SignedCommit, trusted: Mapping[str, bytes], place: Path) -> str:
    """Verify with each principal that a key has in the list, until one may sign commits."""
    if ALLOWED_SIGNERS not in trusted:
        raise SignatureError(
            "nobody is trusted to sign with SSH", f"add {COMMITTERS}/{ALLOWED_SIGNERS}"
        )
    (place / ALLOWED_SIGNERS).write_bytes(trusted[ALLOWED_SIGNERS])
    (place / "signature").write_bytes(signed.signature)
    files = ["-f", ALLOWED_SIGNERS, "-s", "signature"]
    listed = _run(place, b"", "ssh-keygen", "-Y", "find-principals", *files)
    names = listed.stdout.decode("utf-8", "replace").splitlines()
    principals = [name for name in names if not name.startswith("!")]  # whom the list leaves out
    if listed.returncode != 0 or not principals:
        raise SignatureError(f"of nobody who is trusted: {_said(listed)}", _HINT)
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
        reason = _said(done)
    raise SignatureError(f"not verified: {reason}", _HINT)


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return why ssh-keygen refuses."""
    lines = (done.stderr + done.stdout).decode("utf-8", "replace").splitlines()
    return printable("; ".join(line.strip() for line in lines[:3])) or "no reason given"


def _run(
    place: Path, stdin: bytes, program: str, *arguments: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a program that knows nothing but what lies in a directory."""
    home = os.fspath(place)
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": home}
    hint = "install it, such as: apt-get install gnupg openssh-client"
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
        raise UnavailableError(f"{program} did not end within {_SECONDS:.0f} s", hint) from error
    except OSError as error:
        raise UnavailableError(f"{program} cannot be started", hint) from error
    if done.returncode < 0:
        raise UnavailableError(f"{program} was ended by signal {-done.returncode}", hint)
    return done
