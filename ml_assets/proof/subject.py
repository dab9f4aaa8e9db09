"""The subject of a command: a file, directory or digest, resolved to its digest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ml_assets.project.project import Project
from resources.errors import ConfigurationError
from security.content.private_copy import PrivateCopy
from security.statements.statement import STRONG, Subject
from security.verify.verification_subject import VerificationSubject, read_subject
from security.verify.verified_statements import VerifiedStatements

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

    Raises:
        ConfigurationError: the text matches nothing, or several digests.
        TreeError: the path holds links or special files.
        OSError: the path cannot be read.
    """
    path = Path(text)
    if not path.is_absolute() and not path.exists() and (project.root / text).exists():
        path = project.root / text
    if os.path.lexists(path):
        name = os.path.relpath(os.path.abspath(path), project.root)
        shown = os.fspath(path) if name.startswith("..") else name.replace(os.sep, "/")
        return read_subject(path, shown, copy)
    found = _DIGEST.fullmatch(text)
    if found is not None:
        return VerificationSubject(_find_digest(found[1], found[2], statements))
    if "@" in text or ":" in text:
        raise ConfigurationError(
            f"neither a file nor a digest: {text}",
            "give sha256:DIGEST: image references and registry models are not supported yet",
        )
    raise ConfigurationError(f"no such file: {text}", "give a file, a directory or sha256:DIGEST")


def _find_digest(
    algorithm: str | None, digest: str, statements: VerifiedStatements | None
) -> Subject:
    """Return the subject of a digest; a shortened digest has to match exactly one."""
    found = [digest]
    if len(digest) not in (40, 64) and statements is not None:
        found = statements.index.starting_with(digest)
    if len(found) != 1 or len(found[0]) not in (40, 64):
        problem = "ambiguous digest" if len(found) > 1 else "unknown digest"
        raise ConfigurationError(f"{problem}: {digest}", "give all of its digits")
    (whole,) = found
    if algorithm is None:
        algorithm = "gitCommit" if len(whole) == 40 else "sha256"
        if statements is not None and algorithm == "sha256":
            algorithm = _find_algorithm(whole, statements)
    return Subject(f"{algorithm}:{whole[:16]}", {algorithm: whole})


def _find_algorithm(digest: str, statements: VerifiedStatements) -> str:
    """Return the algorithm that the statements give for a digest."""
    for statement in statements.index.about(digest):
        verified = statements.find(statement)
        for subject in verified.statement.subjects if verified is not None else ():
            for algorithm in _named(subject, digest):
                return algorithm
    return "sha256"


def _named(subject: Subject, digest: str) -> Iterator[str]:
    return (name for name in STRONG if subject.digest.get(name) == digest)
