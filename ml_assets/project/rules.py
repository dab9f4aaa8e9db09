"""The rules: the policy, settings and trust of the protected branch at one commit.

A run resolves its rules once, at its start, and passes them on. A later commit on the protected
branch counts for the next run, never for half of this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ml_assets.project.protection import POLICY, Protection, find_protected
from ml_assets.project.settings.settings import FILES, Settings, read_settings
from resources.git.repository import Branch
from security.policy.policy import Policy, builtin_policy, parse_policy

#: The directory of public keys and trusted roots.
TRUST = ".ml-assets/trust"


@dataclass(frozen=True)
class Rules:
    """The rules of a project at one commit of its protected branch.

    Attributes:
        root: the project's root.
        protection: the files at that commit.
    """

    root: Path
    protection: Protection

    @property
    def origin(self) -> str:
        """Name the branch and commit for people."""
        return self.protection.origin

    @property
    def commit(self) -> str | None:
        """The full hash of the commit; None where the working tree supplies the rules."""
        return self.protection.commit

    @cached_property
    def _files(self) -> dict[str, bytes]:
        return self.protection.read(POLICY, *FILES)

    @cached_property
    def policy(self) -> Policy:
        """The policy; the built-in one where the protected branch has none.

        Raises:
            PolicyError: the file is not a policy.
        """
        text = self._files.get(POLICY)
        if text is None:
            return builtin_policy()
        return parse_policy(text, f"{POLICY} of {self.origin}")

    @cached_property
    def settings(self) -> Settings:
        """The settings of the protected branch: those of gates, signing and confinement count.

        Raises:
            ConfigurationError: the settings cannot be read.
        """
        return read_settings(self._files, self.origin)

    @cached_property
    def trust_files(self) -> dict[str, bytes]:
        """The files of public keys and trusted roots, by path."""
        return self.protection.read(*self.protection.list(TRUST))

    @cached_property
    def ignored(self) -> tuple[str, ...]:
        """The rule files of the working tree that differ from the protected branch's."""
        if self.protection.branch is None:
            return ()
        own = Protection(self.root, None).read(POLICY, *FILES)
        changed = {path for path, _ in own.items() ^ self._files.items()}
        return tuple(path for path in (POLICY, *FILES) if path in changed)


def find_rules(root: Path) -> Rules:
    """Resolve the rules of a project now. Entry points call this once and pass the rules on.

    Raises:
        ConfigurationError: the protected branch is not in this clone.
    """
    return pin_rules(root, find_protected(root))


def pin_rules(root: Path, branch: Branch | None) -> Rules:
    """Return the rules of a project at a commit.

    Args:
        branch: the protected branch with its commit (``find_protected``); None reads the rules of
            the working tree at once: a stage may write there later.
    """
    rules = Rules(root, Protection(root, branch))
    if branch is None:
        _ = rules._files, rules.trust_files
    return rules
