"""The settings of DVC's remotes that count in a checkout."""

from __future__ import annotations

from pathlib import Path

from ml_assets.project.protection import find_protected
from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.errors import ConfigurationError
from resources.git.repository import list_tracked, read_files_at

_CONFIG = ".dvc/config"


def find_remotes(root: Path, commit: str | None, *, owns_local: bool) -> RemoteSettings | None:
    """Find the settings of remotes at the protected branch now.

    Args:
        root: the DVC root.
        commit: the checked out commit.
        owns_local: this program wrote ``.dvc/config.local``.

    Returns:
        None if the settings of the checkout count: it is at the commit of the protected branch, or
        there is no such branch.
    """
    tracked = not owns_local and _tracks_local(root)
    try:
        branch = find_protected(root)
    except ConfigurationError:
        return RemoteSettings("the protected branch (not in this clone)", None, b"", tracked)
    if branch is None or branch.commit == commit:
        return None
    text = read_files_at(root, branch.commit, [_CONFIG]).get(_CONFIG, b"")
    return RemoteSettings(f"{branch.name} at {branch.commit[:12]}", branch.commit, text, tracked)


def describe_ignored(root: Path, remotes: RemoteSettings | None) -> list[str]:
    """Return notices about settings of the working tree that do not count."""
    if remotes is None:
        return []
    file = root / _CONFIG
    own = file.read_bytes() if file.is_file() else b""
    names = remotes.find_ignored(own) if own != remotes.text else ()
    said = []
    if names:
        said.append(
            f"ignored, {remotes.origin} has another version: {', '.join(names)} in {_CONFIG};"
            " to set it yourself: dvc config --local NAME VALUE"
        )
    if remotes.tracks_local:
        said.append(f"ignored, tracked by Git: remotes in {_CONFIG}.local")
    return said


def _tracks_local(root: Path) -> bool:
    """Whether the local configuration comes from Git, or may do so: it is behind a link."""
    file = root / ".dvc" / "config.local"
    if file.is_symlink() or file.parent.is_symlink():
        return True
    return file.exists() and bool(list_tracked(root, ".dvc/config.local"))
