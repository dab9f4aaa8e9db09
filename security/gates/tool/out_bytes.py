"""The bytes of an out: their digests, and the errors about an out that cannot be read safely."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from security.content.digest import digest_tree
from security.content.printable import printable
from security.gates.interface import GateError, Task

_CHUNK = 1 << 20


def digest_descriptor(descriptor: int) -> str:
    """Return the sha256 of an open file without moving its position."""
    sha256, offset = hashlib.sha256(), 0
    while chunk := os.pread(descriptor, _CHUNK, offset):
        sha256.update(chunk)
        offset += len(chunk)
    return sha256.hexdigest()


def digest_fact(digests: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the fact ``sha256`` of an out: of the file, or of the tree; empty without files.

    Args:
        digests: path relative to the out, empty for the out itself, and sha256 of each file.
    """
    if not digests:
        return {}
    single = [path for path, _ in digests] == [""]
    return {"sha256": digests[0][1] if single else digest_tree(digests)}


def linked_out(task: Task) -> GateError:
    """Return the error about an out that a symbolic link leads to."""
    path = printable(task.subject)
    return GateError(f"behind a symbolic link: {path}", f"replace the link above {path}")


def unreadable_out(task: Task, error: OSError) -> GateError:
    """Return the error about an out that the system cannot read."""
    why = (error.strerror or type(error).__name__).lower()
    path = printable(task.subject)
    return GateError(f"unreadable out: {path}: {why}", f"dvc checkout {path}")
