"""The subject of a command: a file, directory or digest, resolved to its digest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ml_assets.project.project import Project
from resources.errors import ConfigurationError
from security.content.private_copy import PrivateCopy
from security.statements.statement import Subject
from security.verify.verification_subject import VerificationSubject, read_subject
from security.verify.verified_statements import VerifiedStatements

_ALGORITHMS = ("sha256:", "dirHash:", "gitCommit:")
#: The algorithm of a digest without a name, by its number of digits.
_LENGTHS = {40: "gitCommit", 64: "sha256"}
_DIGEST = re.compile(r"(?:(sha256|dirHash|gitCommit):)?([0-9a-f]{8,64})")


def resolve_subject(
    project: Project,
    text: str,
    statements: VerifiedStatements | None = None,
    copy: PrivateCopy | None = None,
) -> VerificationSubject:
    """Resolve a SUBJECT of the command line: read a file or directory, or look up a digest.

    Args:
        statements: complete a shortened digest.
        copy: receives the bytes that are read.

    A text with an algorithm (``sha256:``) is always a digest, and never the name of a file.

    Raises:
        ConfigurationError: the text matches nothing, several digests, or a digest and a file.
        TreeError: the path holds links or special files.
        OSError: the path cannot be read.
    """
    found = _DIGEST.fullmatch(text)
    if found is not None and found[1] is not None:
        return VerificationSubject(_find_digest(found[1], found[2], statements))
    path = Path(text)
    if not path.is_absolute() and not path.exists() and (project.root / text).exists():
        path = project.root / text
    if os.path.lexists(path) and not text.startswith(_ALGORITHMS):
        if found is not None and len(text) in (40, 64):
            raise ConfigurationError(
                f"a file with the name of a digest: {text}", f"write ./{text} or sha256:{text}"
            )
        name = os.path.relpath(os.path.abspath(path), project.root)
        shown = os.fspath(path) if name.startswith("..") else name.replace(os.sep, "/")
        return read_subject(path, shown, copy)
    if found is not None:
        return VerificationSubject(_find_digest(None, found[2], statements))
    if "@" in text or ":" in text:
        raise ConfigurationError(
            f"neither a file nor a digest: {text}",
            "give sha256:DIGEST: image references and registry models are not supported yet",
        )
    raise ConfigurationError(f"no such file: {text}", "give a file, a directory or sha256:DIGEST")


def _find_digest(
    algorithm: str | None, digest: str, statements: VerifiedStatements | None
) -> Subject:
    """Return the subject of a digest; without an algorithm or all digits, it has to be one only."""
    found = [(algorithm, digest)] if algorithm is not None and len(digest) in _LENGTHS else []
    found = found or list(_list_known(algorithm, digest, statements))
    if not found and len(digest) in _LENGTHS:
        found = [(_LENGTHS[len(digest)], digest)]
    if len(found) != 1:
        problem = "ambiguous digest" if found else "unknown digest"
        raise ConfigurationError(
            f"{problem}: {digest}", "give all of its digits, with sha256: or dirHash: before them"
        )
    ((name, whole),) = found
    return Subject(f"{name}:{whole[:16]}", {name: whole})


def _list_known(
    algorithm: str | None, digest: str, statements: VerifiedStatements | None
) -> Iterator[tuple[str, str]]:
    """Yield the digests that statements name and that start with some digits."""
    for key in statements.index.starting_with(digest) if statements is not None else ():
        name, _, whole = key.rpartition(":")
        name = name or _LENGTHS.get(len(whole), "")
        if name and algorithm in (None, name):
            yield name, whole
