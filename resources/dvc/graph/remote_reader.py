"""The reader of remotes: the settings of remotes that count in a checkout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from resources.dvc.configuration.committed_sources import find_sources
from resources.dvc.configuration.remote_listing import RemoteListing
from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.dvc.configuration.repository import Repository
from resources.dvc.graph.dvc_errors import dvc_errors


def list_remotes(
    root: Path, remotes: RemoteSettings | None, commit: str | None = None
) -> RemoteListing:
    """List the remotes of a checkout.

    Args:
        root: the DVC root, absolute.
        remotes: the settings of remotes of the protected branch; None if the checkout's count.
        commit: the broker may read the addresses that this commit names; None allows none.

    Raises:
        ConfigurationError: DVC cannot read the configuration.
    """
    with dvc_errors(), Repository(root, remotes) as repository:
        config = repository.config
        cache = {key: value for key, value in config["cache"].items() if key != "local"}
        cache["dir"] = os.fspath(Path(repository.cache.local.path).parents[1])
        known = config["remote"]
        refused = getattr(known, "refused", {})
        sources = find_sources(root, commit) if commit is not None else []
    default = config["core"].get("remote")
    return RemoteListing(
        {key: _plain(value) for key, value in cache.items()},
        str(default).lower() if default else None,
        {name: {key: _plain(value) for key, value in one.items()} for name, one in known.items()},
        {name: (error.message, error.hint) for name, error in refused.items()},
        [{key: _plain(value) for key, value in one.items()} for one in sources],
    )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
