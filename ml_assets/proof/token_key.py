"""The token's key: what the settings name, the user's PIN for it, and which module is loaded.

A module is a shared library: its code runs in this process, unconfined. So the settings can name
only one that an administrator has installed, where no stage can have put or changed it; any other
one is the user's own to name, in the environment.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets.project.project import Project
from ml_assets.project.settings.signing import SigningSettings
from resources.errors import ConfigurationError, UnavailableError
from security.signing.public_key import PublicKey
from security.signing.signer import KeySigner

if TYPE_CHECKING:
    from resources.signing.pkcs11_signer import TokenKey

#: Holds the token's PIN. ``stage_environment`` withholds it from stages by its name.
PIN_VARIABLE = "ML_ASSETS_PKCS11_PIN"
#: Names another module than the settings do.
MODULE_VARIABLE = "ML_ASSETS_PKCS11_MODULE"
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def open_token_signer(project: Project, settings: SigningSettings) -> KeySigner:
    """Open the token's key for signing.

    Raises:
        ResourceError, SecurityError: it cannot sign.
    """
    pin = os.environ.get(PIN_VARIABLE)
    if not pin:
        raise UnavailableError("no PIN for the token", f"set {PIN_VARIABLE}")
    return _find_key(project, settings, pin).open_signer()


def read_token_key(project: Project, settings: SigningSettings) -> PublicKey:
    """Read the public half of the token's key; most tokens show it without a PIN.

    Raises:
        ResourceError, SecurityError: it cannot be read.
    """
    return _find_key(project, settings, os.environ.get(PIN_VARIABLE) or None).read_public_key()


def _find_key(project: Project, settings: SigningSettings, pin: str | None) -> TokenKey:
    try:
        from resources.signing.pkcs11_signer import TokenKey, parse_uri
    except ImportError as error:
        raise ConfigurationError(
            "signing with a token is not installed", "install ml-assets with its extra: pkcs11"
        ) from error
    name = parse_uri(str(settings.uri))
    return TokenKey(name, _find_module(project, settings), pin)


def _find_module(project: Project, settings: SigningSettings) -> Path:
    """Find the module that may be loaded. The steps, each with what it stops:

    1. An absolute path: the current directory chooses nothing.
    2. Outside of the project and any checkout, links followed: a repository brings no library of
       its own, not beside a DVC root below the Git root either, nor by way of another worktree.
    3. There.
    4. If it is the settings' choice: it and all directories above it are root's, and nobody else
       can write them, so that it is not what a stage has left elsewhere.
    """
    own = os.environ.get(MODULE_VARIABLE)
    path = Path(own or settings.module or "")
    if not path.is_absolute():  # 1
        where = MODULE_VARIABLE if own else "signing.module"
        raise ConfigurationError(f"not an absolute path: {where}: {path}", "write the whole path")
    real = path.resolve()
    repository = any((one / ".git").exists() for one in real.parents)
    if repository or real.is_relative_to(project.root.resolve()):  # 2
        raise ConfigurationError(
            f"a PKCS#11 module inside a repository: {path}", "name the one that the system has"
        )
    if not real.is_file():  # 3
        raise UnavailableError(
            f"no such PKCS#11 module: {path}", f"install it, or name another one: {MODULE_VARIABLE}"
        )
    if not own and not _is_installed(real):  # 4
        raise ConfigurationError(
            f"a PKCS#11 module that others than root can change: {path}",
            f"if you trust it, name it yourself: {MODULE_VARIABLE}={path}",
        )
    return real


def _is_installed(real: Path) -> bool:
    found = [one.stat() for one in (real, *real.parents)]
    return all(one.st_uid == 0 and not one.st_mode & _OTHERS for one in found)
