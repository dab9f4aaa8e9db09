"""The signed commit: a Git commit object, split into signed bytes and signature.

Specification: Git's ``gitformat-signature`` (commits). A merge's ``mergetag`` contains a tag's
signature; it belongs to the signed bytes, and does not sign the commit.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum

from security.signing.public_key import SignatureError

#: The most bytes of a commit, and of its signature. A long message or certificate has thousands.
LARGEST = 1 << 20
_LARGEST_SIGNATURE = 1 << 16
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ARMOUR = re.compile(rb"-----BEGIN ([A-Z ]+)-----\n(?:[^-\n][^\n]*\n|\n)+-----END \1-----\n?")
_HINT = "sign it: git commit --amend --no-edit -S"


class Scheme(Enum):
    """The scheme of a commit signature, by the label of its armour."""

    OPENPGP = "PGP SIGNATURE"
    SSH = "SSH SIGNATURE"
    KEYLESS = "SIGNED MESSAGE"


@dataclass(frozen=True)
class SignedCommit:
    """A commit and its only signature, not yet verified.

    Attributes:
        payload: the signed bytes: the object without the signature.
        signature: with its armour.
    """

    payload: bytes
    signature: bytes
    scheme: Scheme


def parse_signed_commit(content: bytes, commit: str) -> SignedCommit:
    """Split a commit. The steps, each with the attack that it stops:

    1. It is not too large, and has no zero byte, where some readers stop.
    2. The bytes have the requested hash: another object could be in its place. A weak SHA-1 does no
       harm here, since the bytes are signed.
    3. It starts with its tree and ends with a message, and has one signature, for the repository's
       hash algorithm: of two, a reader could choose either.
    4. The signature is exactly one armoured block of a known scheme.

    Raises:
        SignatureError: a step finds something else.
    """
    if len(content) > LARGEST:  # 1
        raise SignatureError(
            f"commit too large: {len(content)} bytes", f"the limit is {LARGEST} bytes"
        )
    if b"\0" in content:
        raise SignatureError(
            "not a commit: it contains a zero byte", "check the repository: git fsck"
        )
    if not _HASH.fullmatch(commit) or _hash(content, len(commit)) != commit:  # 2
        raise SignatureError(
            f"not the object of this hash: {commit[:64]}", "check the repository: git fsck"
        )
    head, end_of_head, message = content.partition(b"\n\n")
    lines = head.split(b"\n")
    name = b"gpgsig" if len(commit) == 40 else b"gpgsig-sha256"
    starts = [i for i, line in enumerate(lines) if line.startswith(b"gpgsig")]
    if not lines[0].startswith(b"tree ") or not end_of_head:  # 3
        raise SignatureError(
            "not a commit: no tree first, or no message last", "check it: git fsck"
        )
    if not starts:
        raise SignatureError("not signed", _HINT)
    if len(starts) != 1 or not lines[starts[0]].startswith(name + b" "):
        raise SignatureError("not exactly one signature", _HINT)
    start = starts[0]
    end = next((i for i in range(start + 1, len(lines)) if lines[i][:1] != b" "), len(lines))
    signature = b"\n".join(
        [lines[start][len(name) + 1 :], *(x[1:] for x in lines[start + 1 : end])]
    )
    signed = b"".join(line + b"\n" for line in (*lines[:start], *lines[end:]))
    return SignedCommit(signed + b"\n" + message, signature + b"\n", _scheme(signature))


def _hash(content: bytes, length: int) -> str:
    make = hashlib.sha1 if length == 40 else hashlib.sha256
    return make(b"commit %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _scheme(signature: bytes) -> Scheme:
    """Return the scheme of a signature; see 4."""
    found = _ARMOUR.fullmatch(signature) if len(signature) <= _LARGEST_SIGNATURE else None
    label = found[1].decode("ascii") if found else ""
    known = {one.value: one for one in Scheme}
    if label not in known:
        raise SignatureError(
            "not one signature by GPG, SSH or gitsign" + (f": {label}" if label else ""), _HINT
        )
    return known[label]
