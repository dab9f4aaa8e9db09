"""The denied paths: keys and secrets that no process of a stage may reach."""

from __future__ import annotations

import os
from pathlib import Path

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.project.settings.settings import Confinement, Settings
from ml_assets.signer.access import find_configuration, is_separate
from resources.errors import ConfigurationError, UnavailableError
from security.sandbox.confinement import can_confine

#: Directories to create before a start: a confined process can use them, but cannot create entries
#: in the home directory, which is above the keys (XDG Base Directory Specification).
_OF_THE_USER = ((".cache",), (".local", "share"), (".local", "state"))


def find_denied(project: Project, rules: Rules) -> tuple[Path, ...] | None:
    """Find the paths that no process of a stage may read or write; None without confinement.

    Raises:
        ConfigurationError: the settings deny a path that cannot be denied.
        UnavailableError: the settings require confinement, and this system has none.
    """
    settings = rules.settings
    wanted = settings.confinement
    denied = list_denied(project, settings)
    if wanted is Confinement.OFF:
        return None
    # The directories above a denied one are not writable, but stages write into the project.
    inside = find_configuration().resolve().is_relative_to(project.root.resolve())
    above = inside and not is_separate()
    if above or not can_confine():
        if wanted is Confinement.REQUIRED:
            raise UnavailableError(
                "cannot confine stages: signing keys would be readable",
                "use Linux 6.2 or newer with Landlock, and XDG_CONFIG_HOME outside of the project",
            )
        return None
    if is_separate():
        return denied
    _make_directories(Path(os.path.expanduser("~")))
    return denied


def list_denied(project: Project, settings: Settings) -> tuple[Path, ...]:
    """List the paths that the settings add, and the directory of keys unless it is hidden.

    Args:
        settings: the protected branch's.

    Raises:
        ConfigurationError: a path is not absolute, or the project lies in it or around it.
    """
    root = project.root.resolve()
    added = [Path(os.path.expanduser(one)) for one in settings.signing.denied]
    for path in added:
        real = path.resolve()
        if not path.is_absolute() or real.is_relative_to(root) or root.is_relative_to(real):
            raise ConfigurationError(
                f"cannot deny a path to stages: {path}",
                "write absolute paths outside of the project into signing.denied",
            )
    return tuple(added) if is_separate() else (find_configuration(), *added)


def _make_directories(home: Path) -> None:
    for names in _OF_THE_USER:
        try:
            home.joinpath(*names).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            return  # stages cannot write into this home directory either
