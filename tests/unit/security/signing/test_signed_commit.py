"""Splitting a commit into what is signed and the signature, by its bytes."""

import hashlib

import pytest

from security.signing.public_key import SignatureError
from security.signing.signed_commit import Scheme, parse_signed_commit

TREE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a> 1 +0000\n"
SIGNATURE = b"gpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----\n"


def name(content: bytes) -> str:
    return hashlib.sha1(b"commit %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def test_signature_is_taken_out_and_the_rest_stays() -> None:
    content = TREE + SIGNATURE + b"encoding x\n\nmessage\n\ngpgsig of nobody\n"
    found = parse_signed_commit(content, name(content))
    assert found.payload == content.replace(SIGNATURE, b"")
    assert found.signature == SIGNATURE.removeprefix(b"gpgsig ").replace(b"\n ", b"\n")
    assert found.scheme is Scheme.SSH


def test_bytes_of_another_commit_are_refused() -> None:
    content = TREE + SIGNATURE + b"\nmessage\n"
    for commit in (name(content + b"!"), name(content)[:12], "HEAD", ""):
        with pytest.raises(SignatureError, match="not the object of this hash"):
            parse_signed_commit(content, commit)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (TREE + b"\n" + SIGNATURE, "not signed"),
        (TREE, "no message last"),
        (TREE + SIGNATURE, "no message last"),
        (TREE + SIGNATURE.replace(b"gpgsig ", b"gpgsig-sha256 ") + b"\n", "not exactly one"),
        (TREE + SIGNATURE + SIGNATURE + b"\n", "not exactly one"),
        (TREE + SIGNATURE.replace(b" AAAA\n", b"") + b"\n", "not one signature by"),
        (TREE + SIGNATURE.replace(b"SSH", b"OWN") + b"\n", "not one signature by .*: OWN SIGN"),
        (TREE + SIGNATURE + b" more\n\n", "not one signature by"),
        (SIGNATURE + TREE + b"\n", "no tree first"),
        (b"", "no tree first"),
    ],
)
def test_shape_that_readers_take_in_two_ways_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(SignatureError, match=why):
        parse_signed_commit(content, name(content))
