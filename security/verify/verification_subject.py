"""The verification subject: a file, a directory or a digest to verify."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from security.content.file_tree import FileTree, State, read_tree, state_of
from security.content.private_copy import PrivateCopy
from security.signing.bundle import Bundle
from security.statements.statement import Subject

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SHORT = 64 << 10
#: The first bytes of no pickle: operations that need a value on the stack, and none at all.
_NO_PICKLE = frozenset(b"abdeghjlopqrstu0123456789 \n\"#'*+,-/<=?@_[{")
_MODEL_TEXT = b"tree"  # of LightGBM
_TEXT = bytes([9, 10, 13, *range(32, 127), *range(128, 256)])


@dataclass(frozen=True, slots=True)
class VerificationSubject:
    """Something to verify.

    Attributes:
        subject: its name and digest.
        tree: its files, as they were read; None for a digest without bytes.
        path: the location of its files; None for a digest.
        is_model: whether the caller knows that it is a model. The verifier also recognises models
            by their names and by all trusted statements about them.
        models: the paths that the project's graphs declare as models.
        signature: the model signature to verify; None for the ones in the ledger.
    """

    subject: Subject
    tree: FileTree | None = None
    path: Path | None = None
    is_model: bool = False
    signature: Bundle | None = None
    models: frozenset[str] = frozenset()

    def holds_model(self) -> bool:
        """Say whether one of its files is a model, by its content alone.

        A file that has changed since it was read may be one. Short texts that are no model are
        recognised here: the search takes long to import.
        """
        if self.tree is None or self.path is None:
            return False
        root = os.path.realpath(self.path)
        return any(
            _is_model(os.path.join(root, name) if self.tree.directory else root, state)
            for name, state in self.tree.states.items()
        )


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


def _is_model(path: str, state: State) -> bool:
    """Say whether the file that was read is a model; one that has changed since then may be."""
    try:
        descriptor = os.open(path, _OPEN)
    except OSError:
        return True
    try:
        size = os.fstat(descriptor).st_size
        if size <= _SHORT and _is_plain(os.pread(descriptor, _SHORT + 1, 0)):
            found = False
        else:
            from security.model_scan.model_content import is_model  # with all readers

            found = is_model(descriptor, size)
        return found or state_of(os.fstat(descriptor)) != state
    except OSError:
        return True
    finally:
        os.close(descriptor)


def _is_plain(content: bytes) -> bool:
    """Say whether content is a text that no loader takes for a model."""
    if not content:
        return True
    if content[0] not in _NO_PICKLE or content.startswith(_MODEL_TEXT):
        return False
    return not content.translate(None, _TEXT)
