"""The asked: what a person means by a SUBJECT on the command line, as something with a digest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ml_assets.project.project import Project
from resources.errors import ConfigurationError
from security.content.file_tree import FileTree, read_tree
from security.content.private_copy import PrivateCopy
from security.statements.statement import STRONG, Subject
from security.verify.verified_statements import Records

_DIGEST = re.compile(r"(?:(sha256|dirHash|gitCommit):)?([0-9a-f]{8,64})")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for.

    Attributes:
        tree: its files, as they were just read; None where only a digest was given, so that no
            bytes were looked at.
        path: where it lies.
    """

    subject: Subject
    tree: FileTree | None = None
    path: Path | None = None


def read_asked(
    project: Project,
    text: str,
    records: Records | None = None,
    copy: PrivateCopy | None = None,
) -> Asked:
    """Find what is meant: a file or directory, of which the bytes are read, or a digest.

    Args:
        records: where the rest of a shortened digest is looked up.
        copy: gets the bytes that are read.

    Raises:
        ConfigurationError: it names nothing, or more than one thing.
        TreeError: it holds links or other things that are no files.
        OSError: it cannot be read.
    """
    path = Path(text)
    if not path.is_absolute() and not path.exists() and (project.root / text).exists():
        path = project.root / text
    if os.path.lexists(path):
        return _read(project, path, copy)
    found = _DIGEST.fullmatch(text)
    if found is not None:
        return Asked(_by_digest(found[1], found[2], records))
    if "@" in text or ":" in text:
        raise ConfigurationError(
            f"neither a file nor a digest: {text}",
            "images and models in a registry cannot be named yet: give sha256:DIGEST",
        )
    raise ConfigurationError(f"no such file: {text}", "give a file, a directory or sha256:DIGEST")


def _read(project: Project, path: Path, copy: PrivateCopy | None) -> Asked:
    name = os.path.relpath(os.path.abspath(path), project.root)
    shown = os.fspath(path) if name.startswith("..") else name.replace(os.sep, "/")
    tree = read_tree(Path(os.path.realpath(path)), copy)  # DVC may have linked it to its cache
    return Asked(Subject(shown, tree.digest), tree, path)


def _by_digest(algorithm: str | None, digest: str, records: Records | None) -> Subject:
    """Return the subject of a digest, which may be shortened where only one starts so."""
    found = [digest]
    if len(digest) not in (40, 64) and records is not None:
        found = records.index.starting_with(digest)
    if len(found) != 1 or len(found[0]) not in (40, 64):
        many = "several start so" if len(found) > 1 else "none starts so"
        raise ConfigurationError(f"not a digest: {digest}: {many}", "give all of its digits")
    (whole,) = found
    if algorithm is None:
        algorithm = "gitCommit" if len(whole) == 40 else "sha256"
        if records is not None and algorithm == "sha256":
            algorithm = _algorithm_of(whole, records)
    return Subject(f"{algorithm}:{whole[:16]}", {algorithm: whole})


def _algorithm_of(digest: str, records: Records) -> str:
    """Return what kind of digest it is to the statements that speak of it."""
    for statement in records.index.about(digest):
        verified = records.find(statement)
        for subject in verified.statement.subjects if verified is not None else ():
            for algorithm in _named(subject, digest):
                return algorithm
    return "sha256"


def _named(subject: Subject, digest: str) -> Iterator[str]:
    return (name for name in STRONG if subject.digest.get(name) == digest)
