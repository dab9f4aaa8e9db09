"""Compiled Python, whose code cannot be read: files that Python runs in place of their source.

Python uses a compiled file beside its source only if the recorded time and size are those of the
source, unless the file records a hash or says that nothing is to be compared. A compiled file
without source is imported like one.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection

from security.content.printable import printable
from security.finding import Confidence, Finding, Severity

_CACHE = "__pycache__"
_ARCHIVE = b"PK\x03\x04"
_HINT = "remove it from Git, and keep the source: git rm --cached"


def is_compiled(start: bytes) -> bool:
    """Say whether a file that an interpreter gets is no text: compiled code or an archive."""
    return start[2:4] == b"\r\n" or start.startswith(_ARCHIVE) or b"\0" in start


def judge_compiled(path: str, start: bytes, files: Collection[str]) -> Finding:
    """Return the finding on a compiled file.

    Args:
        start: its first bytes.
        files: paths of the Python files of the tree.
    """
    compared = start[4:8] == b"\0\0\0\0" and _source_of(path) in files
    what = "compiled Python in Git" if not start.startswith(_ARCHIVE) else "Python in an archive"
    return Finding(
        "compiled-python",
        f"{what}, which cannot be read; {_HINT} {printable(path)}",
        Severity.LOW if compared else Severity.HIGH,
        Confidence.HIGH,
        path=path,
    )


def _source_of(path: str) -> str:
    """Return the source that a file in ``__pycache__`` belongs to; empty for another file."""
    directory, name = posixpath.split(path)
    if posixpath.basename(directory) != _CACHE:
        return ""
    return posixpath.join(posixpath.dirname(directory), f"{name.partition('.')[0]}.py")
