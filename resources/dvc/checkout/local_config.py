"""The local configuration: the file ``.dvc/config.local`` of a worktree.

Git ignores the file, so a new worktree has none. It is copied from the checkout of the worktree,
with a cache directory that all worktrees share.
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
    """Write the local configuration of a worktree.

    Args:
        root: the DVC root of the worktree.
        template: the configuration to copy other settings from; may be missing.
        cache: the directory of cache objects.
        site: the directory of files that DVC can create again.

    Raises:
        ConfigurationError: the template cannot be parsed, or the worktree is not a DVC repository.
    """
    if not (root / ".dvc").is_dir() or (root / ".dvc").is_symlink():
        raise ConfigurationError(
            f"not a DVC repository: {root}", "make it one, then commit: dvc init"
        )
    file = root / ".dvc" / "config.local"
    if file.is_symlink():
        raise ConfigurationError(
            f"symbolic link in the commit: {file}", "remove it: git rm --cached .dvc/config.local"
        )
    try:
        source = os.fspath(template) if template is not None and template.is_file() else None
        config = ConfigObj(source, encoding="utf-8", list_values=False, interpolation=False)
    except (ConfigObjError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot parse: {template}", f"correct it: {template}") from error
    config.filename = os.fspath(file)
    config.setdefault("cache", {})["dir"] = os.fspath(cache)
    config.setdefault("core", {})["site_cache_dir"] = os.fspath(site)
    config.write()
    os.chmod(file, 0o600)  # it may contain credentials of a remote
