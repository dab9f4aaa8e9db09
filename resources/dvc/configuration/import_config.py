"""The configuration of the source of an import, which is another project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dvc.config import Config, merge

from resources.dvc.configuration.remote_choice import Remotes, find_risk
from resources.errors import ConfigurationError


class ImportConfig(Config):  # type: ignore[misc]  # dvc ships no types
    """DVC's configuration of the source of an import.

    The branch chooses the source, and can add settings in its ``.dvc`` file. So of both only
    harmless settings count. The user's own settings of a remote count only with the same address.
    """

    def load_config_to_level(self, level: str | None = None) -> dict[str, Any]:
        """Merge the levels, without the user's own remotes."""
        merged: dict[str, Any] = super().load_config_to_level(level)
        merged["remote"] = {}
        for one in self.REPO_LEVELS:
            if one in self.files and one != level:
                merge(merged, {"remote": self.load_one(one)["remote"]})
        return merged

    def load(self, **options: Any) -> None:
        """Load all levels; refuse remotes with other than harmless settings at their first use.

        Raises:
            ConfigError: a setting is not valid.
        """
        super().load(**options)
        own: dict[str, Any] = {}
        for level in self.SYSTEM_LEVELS:
            merge(own, self.load_one(level)["remote"])
        refused: dict[str, ConfigurationError] = {}
        remotes = {name: settings for name, settings in own.items() if "url" in settings}
        for name, settings in self["remote"].items():
            users = own.get(name, {})
            if users.get("url") != settings.get("url"):
                users = {}
            risk = find_risk({k: v for k, v in settings.items() if users.get(k) != v or k == "url"})
            if risk is not None:
                refused[name] = _refuse(name, risk)
            remotes[name] = {**settings, **users}
        self["remote"] = Remotes(remotes, refused)

    def judge(self, settings: Mapping[str, Any]) -> None:
        """Refuse risky settings of a single dependency or out (``fs_config``).

        Raises:
            ConfigurationError: a setting is not harmless.
        """
        risk = find_risk(settings)
        if risk is not None:
            raise ConfigurationError(
                f"the source of an import has a risky setting: {risk}",
                "import its data another way: dvc import-url",
            )


def _refuse(name: str, risk: str) -> ConfigurationError:
    return ConfigurationError(
        f"the source of an import has a risky setting: remote.{name}.{risk}",
        f"if you trust it, set it yourself: dvc config --global remote.{name}.{risk} VALUE;"
        f" dvc config --global remote.{name}.url URL",
    )
