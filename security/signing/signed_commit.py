"""The signed commit: what of a Git commit is signed, by the bytes of its object.

Specification: Git's ``gitformat-signature`` (commits). A merge's ``mergetag`` holds a signature of
a tag; it is part of what is signed, and no signature of the commit.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum

from security.signing.public_key import SignatureError

#: Bytes of a commit and of its signature. A long message has thousands; a certificate some, too.
LARGEST = 1 << 20
_LARGEST_SIGNATURE = 1 << 16
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ARMOUR = re.compile(rb"-----BEGIN ([A-Z ]+)-----\n(?:[^-\n][^\n]*\n|\n)+-----END \1-----\n?")
_HINT = "sign it: git commit --amend --no-edit -S"


class Scheme(Enum):
    """How commits are signed, by the label of the armour."""

    OPENPGP = "PGP SIGNATURE"
    SSH = "SSH SIGNATURE"
    KEYLESS = "SIGNED MESSAGE"


@dataclass(frozen=True)
class SignedCommit:
    """A commit and its one signature; nobody has verified it yet.

    Attributes:
        payload: what is signed: the object without the signature.
        signature: with its armour.
    """

    payload: bytes
    signature: bytes
    scheme: Scheme


def parse_signed_commit(content: bytes, commit: str) -> SignedCommit:
    """Split a commit. The steps, each with the attack that it stops:

    1. It is neither too large nor has it bytes of value 0, where readers end at different places.
    2. The bytes have the hash that is asked for: no other object in its place. That the hash is
       SHA-1 is no matter here, since it is the bytes that are signed.
    3. It starts with its tree and ends with a message, and there is one signature, for the kind of
       hash that the repository has: of two, each could be the one that somebody looks at.
    4. The signature is one armoured block of a known kind, with nothing around it.

    Raises:
        SignatureError: a step finds something else.
    """
    if len(content) > LARGEST:  # 1
        raise SignatureError(f"commit too large: {len(content)} bytes", f"leave at most {LARGEST}")
    if b"\0" in content:
        raise SignatureError("not a commit: a byte of value 0 in it", "look: git fsck")
    if not _HASH.fullmatch(commit) or _hash(content, len(commit)) != commit:  # 2
        raise SignatureError(f"not the object of this hash: {commit[:64]}", "look: git fsck")
    head, end_of_head, message = content.partition(b"\n\n")
    lines = head.split(b"\n")
    name = b"gpgsig" if len(commit) == 40 else b"gpgsig-sha256"
    starts = [i for i, line in enumerate(lines) if line.startswith(b"gpgsig")]
    if not lines[0].startswith(b"tree ") or not end_of_head:  # 3
        raise SignatureError("not a commit: no tree first, or no message last", "look: git fsck")
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
    """Return the kind of a signature; see 4."""
    found = _ARMOUR.fullmatch(signature) if len(signature) <= _LARGEST_SIGNATURE else None
    label = found[1].decode("ascii") if found else ""
    known = {one.value: one for one in Scheme}
    if label not in known:
        raise SignatureError(
            "not one signature by GPG, SSH or gitsign" + (f": {label}" if label else ""), _HINT
        )
    return known[label]
