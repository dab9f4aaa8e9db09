"""The protected branch: the commit with the rules of a project.

The policy, the settings of gates and the configuration of tools come from the protected branch, so
that a change cannot loosen the gate that judges it. The working tree supplies them only in a
repository that has no such branch and no remote that could have one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from resources.git.repository import Branch, find_protected_branch, list_entries_at, read_files_at
from resources.git.source_tree import SourceTree

#: The operator's variable with the protected branch: a repository must not choose its own.
BRANCH_VARIABLE = "ML_ASSETS_PROTECTED_BRANCH"
POLICY = ".ml-assets/policy.toml"


class Protection:
    """The files of the protected branch at one commit.

    Args:
        root: the project's root.
        branch: the protected branch; None for the working tree, whose files are read only once.
    """

    def __init__(self, root: Path, branch: Branch | None) -> None:
        self._root = root
        self._read: dict[str, bytes | None] = {}
        self.branch = branch

    @property
    def origin(self) -> str:
        """Name the branch and commit for people."""
        if self.branch is None:
            return "the working tree (no protected branch)"
        return f"{self.branch.name} at {self.branch.commit[:12]}"

    @property
    def commit(self) -> str | None:
        """The full hash of the commit; None for the working tree."""
        return self.branch.commit if self.branch is not None else None

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """All files of the commit; none for the working tree."""
        if self.branch is None:
            return ()
        return tuple(list_entries_at(self._root, self.branch.commit))

    def list(self, directory: str) -> tuple[str, ...]:
        """Return the paths of the files below a directory; in the working tree, directly in it."""
        if self.branch is not None:
            return tuple(path for path in self.paths if path.startswith(f"{directory}/"))
        found = sorted((self._root / directory).glob("*"))
        return tuple(f"{directory}/{one.name}" for one in found if one.is_file())

    def read(self, *paths: str) -> dict[str, bytes]:
        """Return the bytes of the files that exist among some paths.

        Args:
            paths: relative to the project's root.
        """
        if self.branch is not None:
            return read_files_at(self._root, self.branch.commit, paths)
        for path in paths:
            if path not in self._read:
                file = self._root / path
                readable = file.is_file() and not file.is_symlink()
                self._read[path] = file.read_bytes() if readable else None
        return {path: text for path in paths if (text := self._read[path]) is not None}

    def configuration(
        self, tree: SourceTree, configures: Callable[[str], bool]
    ) -> Mapping[str, bytes] | None:
        """Return the configuration files of the commit; None where those of the tree count."""
        if self.branch is None:
            return None
        return self.read(*(path for path in self.paths if configures(path)))


def find_protected(root: Path) -> Branch | None:
    """Find the protected branch and its commit now; None where the working tree supplies the rules.

    Args:
        root: of a project, or a bare repository.

    Raises:
        ConfigurationError: the protected branch is not in this clone.
    """
    return find_protected_branch(root, os.environ.get(BRANCH_VARIABLE) or None)
