"""The settings of remotes: the protected branch's and the user's count, never another branch's.

DVC merges ``.dvc/config`` with the user's own configuration by the names of remotes. A branch that
changes the address of a remote would get the user's password for it, and some settings name files
with programs to run. So of the ``.dvc/config`` of a branch only settings without such effects
count:

1. All others come from the protected branch.
2. A remote that only this branch has counts if it is a local directory.
3. The default remote of this branch counts if the protected branch has no default and does not
   know this remote.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from configobj import (  # type: ignore[import-untyped]  # ships no types
    ConfigObj,
    ConfigObjError,
)

from resources.errors import ConfigurationError

#: A configuration of DVC: settings by section; remotes by name in the section ``remote``.
Sections = Mapping[str, Mapping[str, Any]]

#: The sections with parts that have names.
NAMED = ("remote", "machine", "db")

#: The settings that each branch decides for itself; None: all of the section.
_FREE: Mapping[str, frozenset[str] | None] = {
    "core": frozenset(
        {
            "analytics",
            "autostage",
            "check_update",
            "checksum_jobs",
            "experiments",
            "hardlink_lock",
            "interactive",
            "no_scm",
        }
    ),
    "cache": frozenset({"protected", "slow_link_warning", "type", "verify"}),
    "exp": frozenset({"code", "data", "live", "metrics", "models", "params", "plots"}),
    "feature": None,
    "hydra": frozenset({"config_dir", "config_name", "enabled"}),
    "parsing": None,
    "plots": None,
    "state": frozenset({"row_cleanup_quota", "row_limit"}),
}

_NAME = re.compile(rf'\s*({"|".join(NAMED)})\s*"(.*)"\s*')


@dataclass(frozen=True)
class RemoteSettings:
    """The settings of remotes at the commit of the protected branch.

    Attributes:
        origin: the branch and commit, for people.
        commit: the full hash; None if this clone does not have the protected branch.
        text: the bytes of ``.dvc/config`` there.
        tracks_local: Git tracks ``.dvc/config.local``, so it is the branch's and not the user's.
    """

    origin: str
    commit: str | None
    text: bytes
    tracks_local: bool = False

    @cached_property
    def sections(self) -> Sections:
        """The configuration of the protected branch.

        Raises:
            ConfigurationError: it cannot be parsed.
        """
        return parse_sections(self.text, f".dvc/config of {self.origin}")

    @cached_property
    def digest(self) -> str:
        """The sha256 of all that changes the configuration of a checkout."""
        return hashlib.sha256(b"%d %s" % (self.tracks_local, self.text)).hexdigest()

    def overrule(self, branch: Sections) -> dict[str, dict[str, Any]]:
        """Return the settings that count instead of those of a branch."""
        ruled = select_free(branch)
        for name, section in self.sections.items():  # 1
            free = _FREE.get(name, frozenset())
            if free is not None:
                ruling = {key: value for key, value in section.items() if key not in free}
                ruled.setdefault(name, {}).update(deepcopy(ruling))
        known = self.sections.get("remote", {})
        remotes = ruled.setdefault("remote", {})
        for name, remote in branch.get("remote", {}).items():
            if name not in known and "://" not in remote.get("url", "://"):
                remotes[name] = {"url": remote["url"]}  # 2
        default = branch.get("core", {}).get("remote")
        if default is not None and str(default).lower() not in known:
            ruled.setdefault("core", {}).setdefault("remote", default)  # 3
        return ruled

    def find_ignored(self, text: bytes) -> tuple[str, ...]:
        """Return the names of the settings of a branch that do not count.

        Args:
            text: the bytes of its ``.dvc/config``.
        """
        branch = parse_sections(text, ".dvc/config")
        counts = dict(_flatten(self.overrule(branch)))
        own = dict(_flatten(branch))
        return tuple(sorted(name for name, value in own.items() if counts.get(name) != value))


def select_free(sections: Sections) -> dict[str, dict[str, Any]]:
    """Return the settings that each branch decides for itself."""
    return {
        name: {key: value for key, value in section.items() if keys is None or key in keys}
        for name, section in sections.items()
        if (keys := _FREE.get(name, frozenset())) is None or keys
    }


def parse_sections(text: bytes, source: str) -> Sections:
    """Parse a configuration as DVC does: names in lower case, remotes by name.

    Args:
        source: names the file in a message.

    Raises:
        ConfigurationError: it cannot be parsed.
    """
    try:
        found = _lower(ConfigObj(text.decode("utf-8").splitlines()).dict())
    except (ConfigObjError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot parse: {source}: {error}", "correct it there") from error
    sections: dict[str, dict[str, Any]] = {}
    for title, section in found.items():
        match = _NAME.fullmatch(title)
        if match:
            sections.setdefault(match[1], {})[match[2]] = section
        elif isinstance(section, dict):
            sections[title] = section
    return sections


def _lower(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key.lower(): _lower(value) if isinstance(value, dict) else value
        for key, value in values.items()
    }


def _flatten(sections: Sections) -> Iterator[tuple[str, Any]]:
    for section, settings in sections.items():
        for key, value in settings.items():
            if isinstance(value, Mapping):
                yield from ((f"{section}.{key}.{inner}", v) for inner, v in value.items())
            else:
                yield f"{section}.{key}", value
