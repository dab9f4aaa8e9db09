"""The listing of remotes: their settings, for a process that sees no checkout.

It needs no import of dvc, and no file of the checkout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resources.errors import ConfigurationError

_REFERENCE = "remote://"
#: A step upwards, as a server may read it.
_UPWARDS = re.compile(r"(?i)(?:^|[/\\]|%2f|%5c)(?:\.|%2e){2}(?:[/\\?#]|%2f|%5c|$)")
#: What an address may hold of a user, and its query.
_USER = re.compile(r"(?<=://)[^/@]+@|\?.*")


@dataclass(frozen=True)
class RemoteListing:
    """The remotes of a checkout.

    Attributes:
        cache: the section ``cache`` of the configuration, with the directory.
        default: the name of the default remote.
        remotes: settings by name, with the user's credentials.
        refused: message and hint by name.
        sources: settings, with ``url``, of the imports, deps and outs of the protected branch.
    """

    cache: Mapping[str, Any]
    default: str | None
    remotes: Mapping[str, Mapping[str, Any]]
    refused: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sources: Sequence[Mapping[str, Any]] = ()

    def select(self, name: str | None) -> dict[str, Any]:
        """Return a configuration with one remote, and those that its address refers to.

        Args:
            name: None selects the default remote; without one, the configuration has no remote.

        Raises:
            ConfigurationError: there is no such remote, or it is refused.
        """
        chosen: dict[str, Mapping[str, Any]] = {}
        wanted = name = name.lower() if name is not None else self.default
        while wanted is not None and wanted not in chosen:
            chosen[wanted] = self._find(wanted)
            url = str(chosen[wanted].get("url", ""))
            wanted = url.removeprefix(_REFERENCE).partition("/")[0]
            wanted = wanted.lower() if _is_reference(url) else None
        core = {"no_scm": True, **({"remote": name} if name is not None else {})}
        return {"core": core, "cache": dict(self.cache), "remote": chosen}

    def find_address(self, name: str | None) -> str:
        """Return the address of a remote, with references followed; empty without one."""
        chosen = self.select(name)["remote"].values()
        return next((str(one["url"]) for one in reversed(chosen) if "url" in one), "")

    def select_source(self, url: str, settings: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """Return a configuration to read an address with, and the address with its scheme.

        Args:
            url: below a remote that counts, or at or below an address of the protected branch.
            settings: of the address (``fs_config``).

        Raises:
            ConfigurationError: the protected branch does not name the address.
        """
        own = {key: value for key, value in settings.items() if key != "version_aware"}
        name = url.removeprefix(_REFERENCE).partition("/")[0] if _is_reference(url) else None
        is_known = self._is_known(url, own) or (name is not None and not own)
        if _UPWARDS.search(url) or not is_known:
            raise _refuse(url, own)
        if name is not None:
            return self.select(name), self.find_address(name)
        return {"core": {"no_scm": True}}, url

    def _is_known(self, url: str, own: Mapping[str, Any]) -> bool:
        """Whether the protected branch or the user names the address with these settings."""
        below_source = (one for one in self.sources if _is_below(url, one))
        below_remote = (one for one in self.remotes.values() if _is_below(url, one))
        return any(one == {**own, "url": one["url"]} for one in below_source) or any(
            own.items() <= one.items() for one in below_remote
        )

    def _find(self, name: str) -> Mapping[str, Any]:
        if name in self.refused:
            raise ConfigurationError(*self.refused[name])
        if name not in self.remotes:
            raise ConfigurationError(f"no such remote: {name}", "list the remotes: dvc remote list")
        return self.remotes[name]


def _is_reference(url: str) -> bool:
    return url.startswith(_REFERENCE)


def _is_below(url: str, source: Mapping[str, Any]) -> bool:
    above = str(source.get("url", "")).rstrip("/")
    return "://" in above and (url == above or url.startswith(f"{above}/"))


def _refuse(url: str, own: Mapping[str, Any]) -> ConfigurationError:
    shown = _USER.sub("", url)
    values = {"url": shown, **dict.fromkeys(own, "VALUE")}
    commands = (f"dvc config --local remote.NAME.{key} {value}" for key, value in values.items())
    return ConfigurationError(
        f"no credentials for an address that the protected branch does not name: {shown}",
        f"merge the import there, or name the address: {'; '.join(commands)}",
    )
