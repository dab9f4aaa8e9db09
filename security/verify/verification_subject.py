"""The verification subject: a file, a directory or a digest to verify."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from security.content.file_tree import FileTree, read_tree
from security.content.private_copy import PrivateCopy
from security.signing.bundle import Bundle
from security.statements.statement import Subject


@dataclass(frozen=True, slots=True)
class VerificationSubject:
    """Something to verify.

    Attributes:
        subject: its name and digest.
        tree: its files, as they were read; None for a digest without bytes.
        path: the location of its files; None for a digest.
        is_model: whether the caller knows that it is a model. The verifier also recognises models
            by their names, provenance and signatures.
        signature: the model signature to verify; None for the ones in the ledger.
    """

    subject: Subject
    tree: FileTree | None = None
    path: Path | None = None
    is_model: bool = False
    signature: Bundle | None = None


def read_subject(
    path: Path, name: str | None = None, copy: PrivateCopy | None = None
) -> VerificationSubject:
    """Read a file or directory to verify. A link is followed: DVC links to its cache.

    Args:
        name: the path in the project; the last part of ``path`` by default.
        copy: receives the bytes that are read.

    Raises:
        TreeError: it holds links or special files, or changes while it is read.
        OSError: it cannot be read.
    """
    tree = read_tree(Path(os.path.realpath(path)), copy)
    return VerificationSubject(Subject(name or path.name, tree.digest), tree, path)
