"""The listing of dependency files: which files of a tree an installer may read packages from."""

from __future__ import annotations

import os
from pathlib import Path

from security.advisories.packages.dependency_files import may_install
from security.gates.python.python_files import PythonFiles


class DependencyListing:
    """Says of each file whether it lists packages; reads a file again only if it has changed.

    Args:
        root: of the tree.
        python: the Python files of the tree, which can have inline metadata.
    """

    def __init__(self, root: Path, python: PythonFiles) -> None:
        self._root = root
        self._python = python
        self._known: dict[str, tuple[tuple[int, ...], bool]] = {}

    def __call__(self, path: str) -> bool:
        """Say whether an installer may read packages from a file."""
        if self._python.has_metadata(path):
            return True
        try:
            status = os.lstat(self._root / path)
        except OSError:
            return False
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = (stamp, may_install(self._root, path))
        return known[1]
