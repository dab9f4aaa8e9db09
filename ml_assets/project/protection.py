"""The protection: where the rules come from that a checkout is judged by.

The policy, the settings of gates and the configuration of tools are those of the protected branch's
commit, so that a change cannot loosen the gate that judges it. Only a repository that has no such
branch, and no remote that could have one, is judged by what lies in its working tree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from resources.git.repository import Branch, find_protected_branch, list_files_at, read_files_at
from resources.git.source_tree import SourceTree

#: Names the protected branch, for who runs the tool: a repository cannot name its own.
BRANCH_VARIABLE = "ML_ASSETS_PROTECTED_BRANCH"
POLICY = ".ml-assets/policy.toml"


class Protection:
    """The files that rule.

    Args:
        root: the project's root.
        branch: the protected branch; None takes the working tree.
    """

    def __init__(self, root: Path, branch: Branch | None) -> None:
        self._root = root
        self.branch = branch

    @property
    def origin(self) -> str:
        """Say where the rules come from."""
        if self.branch is None:
            return "the working tree (no protected branch)"
        return f"{self.branch.name} at {self.branch.commit[:12]}"

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The files that the protected branch's commit has; none where there is no such branch."""
        if self.branch is None:
            return ()
        return tuple(list_files_at(self._root, self.branch.commit))

    def read(self, *paths: str) -> dict[str, bytes]:
        """Return the bytes of those of some files that there are.

        Args:
            paths: relative to the project's root.
        """
        if self.branch is not None:
            return read_files_at(self._root, self.branch.commit, paths)
        found: dict[str, bytes] = {}
        for path in paths:
            file = self._root / path
            if file.is_file() and not file.is_symlink():
                found[path] = file.read_bytes()
        return found

    def configuration(
        self, tree: SourceTree, configures: Callable[[str], bool]
    ) -> Mapping[str, bytes] | None:
        """Return the configuration files that rule; None where those of the tree do."""
        if self.branch is None:
            return None
        return self.read(*(path for path in self.paths if configures(path)))


def find_protection(root: Path) -> Protection:
    """Find where a project's rules come from.

    Raises:
        ConfigurationError: the protected branch is not in this clone.
    """
    return Protection(root, find_protected_branch(root, os.environ.get(BRANCH_VARIABLE) or None))
