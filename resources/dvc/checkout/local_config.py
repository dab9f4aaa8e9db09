"""The local configuration: what ``.dvc/config.local`` says of one working tree of many.

Git ignores that file, so a new worktree has none: it is written from the one of the checkout that
the worktrees belong to, where there is one, with the data kept in a place that all of them share.
"""

from __future__ import annotations

import os
from pathlib import Path

from configobj import (  # type: ignore[import-untyped]  # ships no types
    ConfigObj,
    ConfigObjError,
)

from resources.errors import ConfigurationError


def write_local_config(root: Path, template: Path | None, *, cache: Path, site: Path) -> None:
    """Write the local configuration of a working tree.

    Args:
        root: its DVC root.
        template: another one's, of which everything else is taken; it may be missing.
        cache: where objects are kept.
        site: where DVC keeps what it can make again.

    Raises:
        ConfigurationError: the template is no configuration, or the working tree has no DVC root.
    """
    if not (root / ".dvc").is_dir() or (root / ".dvc").is_symlink():
        raise ConfigurationError(f"not a DVC repository: {root}", "commit what dvc init has made")
    file = root / ".dvc" / "config.local"
    if file.is_symlink():
        raise ConfigurationError(f"a symbolic link: {file}", "remove it from the commit")
    try:
        source = os.fspath(template) if template is not None and template.is_file() else None
        config = ConfigObj(source, encoding="utf-8", list_values=False, interpolation=False)
    except (ConfigObjError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot parse: {template}", "mend it: dvc config -l") from error
    config.filename = os.fspath(file)
    config.setdefault("cache", {})["dir"] = os.fspath(cache)
    config.setdefault("core", {})["site_cache_dir"] = os.fspath(site)
    config.write()
    os.chmod(file, 0o600)  # it may hold what a remote asks for
