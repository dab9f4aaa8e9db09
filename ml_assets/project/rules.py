"""The rules: the policy and the gates' settings of the protected branch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ml_assets.project.protection import POLICY, Protection, find_protection
from ml_assets.project.settings.settings import FILES, Settings, read_settings
from security.policy.policy import Policy, builtin_policy, parse_policy


@dataclass(frozen=True)
class Rules:
    """What a project is judged by.

    Attributes:
        root: the project's root.
        protection: where the rules come from.
    """

    root: Path
    protection: Protection

    @property
    def origin(self) -> str:
        """Say where they come from."""
        return self.protection.origin

    @cached_property
    def _files(self) -> dict[str, bytes]:
        return self.protection.read(POLICY, *FILES)

    @cached_property
    def policy(self) -> Policy:
        """The policy; the built-in one where the protected branch has none.

        Raises:
            PolicyError: it is not one.
        """
        text = self._files.get(POLICY)
        if text is None:
            return builtin_policy()
        return parse_policy(text, f"{POLICY} of {self.protection.origin}")

    @cached_property
    def settings(self) -> Settings:
        """The settings, of which gates judge by some.

        Raises:
            ConfigurationError: the protected branch's settings cannot be read.
        """
        return read_settings(self._files, self.protection.origin)

    @cached_property
    def ignored(self) -> tuple[str, ...]:
        """Files of the working tree that would be rules, and differ from those that are."""
        if self.protection.branch is None:
            return ()
        own = Protection(self.root, None).read(POLICY, *FILES)
        changed = {path for path, _ in own.items() ^ self._files.items()}
        return tuple(path for path in (POLICY, *FILES) if path in changed)


def find_rules(root: Path) -> Rules:
    """Find what a project is judged by.

    Raises:
        ConfigurationError: the protected branch is not in this clone.
    """
    return Rules(root, find_protection(root))
