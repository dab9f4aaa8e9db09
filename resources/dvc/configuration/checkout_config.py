"""The configuration of a checkout: its own, or the protected branch's where that one counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvc.config import Config

from resources.dvc.configuration.committed_sources import find_sources
from resources.dvc.configuration.remote_choice import Remotes, find_risk, refuse_branch_files
from resources.dvc.configuration.remote_settings import RemoteSettings, select_free
from resources.dvc.configuration.source_access import SourceAccess
from resources.dvc.messages import hide_secrets
from resources.errors import ConfigurationError


class CheckoutConfig(Config):  # type: ignore[misc]  # dvc ships no types
    """DVC's configuration of a working tree or commit, with the user's own.

    Args:
        root: the DVC root of the working tree.
        rules: the settings of the protected branch; None if those of the checkout count.
        sources: opens addresses for which another process has the credentials.
    """

    def __init__(
        self,
        root: Path,
        rules: RemoteSettings | None,
        sources: SourceAccess | None = None,
        **options: Any,
    ) -> None:
        self.sources = sources
        self._root = root
        self._rules = rules
        self._of_branch: set[str] = set()
        super().__init__(**options)

    def _load_config(self, level: str) -> dict[str, Any]:
        found: dict[str, Any] = super()._load_config(level)
        rules = self._rules
        if rules is None or level not in self.REPO_LEVELS:
            return found
        if level == "local" and not rules.tracks_local:
            return found
        counts = rules.overrule(found) if level == "repo" else select_free(found)
        self._of_branch |= found.get("remote", {}).keys()
        return counts

    def load_config_to_level(self, level: str | None = None) -> dict[str, Any]:
        """Merge the levels; leave out remotes whose address does not count."""
        merged: dict[str, Any] = super().load_config_to_level(level)
        remotes = merged.get("remote", {})
        for name in [name for name, one in remotes.items() if "url" not in one]:
            if name in self._of_branch:
                del remotes[name]
        return merged

    def load(self, **options: Any) -> None:
        """Load all levels; refuse remotes of the branch at their first use.

        Raises:
            ConfigError: a setting is not valid.
        """
        super().load(**options)
        rules = self._rules
        if rules is None:
            return
        missing = self._of_branch - self["remote"].keys()
        refused = {name: _refuse(name, rules) for name in missing}
        refused |= refuse_branch_files(self._root, rules, self["remote"])
        self["remote"] = Remotes(self["remote"], refused)

    def judge(self, settings: Mapping[str, Any]) -> None:
        """Refuse risky settings of a single dependency or out (``fs_config``).

        Raises:
            ConfigurationError: the protected branch does not have them for this address.
        """
        rules = self._rules
        risk = find_risk(settings) if rules is not None else None
        if rules is None or risk is None or self._approves(rules, settings):
            return
        url = str(settings.get("url"))
        raise ConfigurationError(
            f"setting not in {rules.origin}: {risk} of {hide_secrets(url)}",
            "merge it there, or use a remote: dvc import-url remote://NAME/PATH",
        )

    def _approves(self, rules: RemoteSettings, settings: Mapping[str, Any]) -> bool:
        """Whether a file of the protected branch has the same address and settings."""
        if rules.commit is None or refuse_branch_files(self._root, rules, {"": settings}):
            return False
        wanted = {key: value for key, value in settings.items() if key != "version_aware"}
        return wanted in find_sources(self._root, rules.commit)


def _refuse(name: str, rules: RemoteSettings) -> ConfigurationError:
    return ConfigurationError(
        f"remote not in {rules.origin}: {name}",
        f"merge it there, or set it yourself: dvc config --local remote.{name}.url URL",
    )
