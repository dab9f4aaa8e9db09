"""The key in a PKCS#11 token: its URI, the user's PIN, and the module that may be loaded.

A module is a shared library that runs in this process, unconfined. So the settings can name only a
module that an administrator has installed, where no stage can change it; users name any other
module in the environment.
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

#: The variable with the token's PIN. ``stage_environment`` withholds it from stages by its name.
PIN_VARIABLE = "ML_ASSETS_PKCS11_PIN"
#: The variable with a module that replaces the one in the settings.
MODULE_VARIABLE = "ML_ASSETS_PKCS11_MODULE"
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def open_token_signer(project: Project, settings: SigningSettings) -> KeySigner:
    """Open the token's key for signing.

    Raises:
        ResourceError, SecurityError: the token or the key is not available.
    """
    pin = os.environ.get(PIN_VARIABLE)
    if not pin:
        raise UnavailableError("no PIN for the token", f"set {PIN_VARIABLE}")
    return _find_key(project, settings, pin).open_signer()


def read_token_key(project: Project, settings: SigningSettings) -> PublicKey:
    """Read the public half of the token's key; most tokens show it without a PIN.

    Raises:
        ResourceError, SecurityError: the key cannot be read.
    """
    return _find_key(project, settings, os.environ.get(PIN_VARIABLE) or None).read_public_key()


def _find_key(project: Project, settings: SigningSettings, pin: str | None) -> TokenKey:
    try:
        from resources.signing.pkcs11_signer import TokenKey, parse_uri
    except ImportError as error:
        raise ConfigurationError(
            "PKCS#11 support is not installed", "install ml-assets with its extra: pkcs11"
        ) from error
    name = parse_uri(str(settings.uri))
    return TokenKey(name, _find_module(project, settings), pin)


def _find_module(project: Project, settings: SigningSettings) -> Path:
    """Find the module to load. The steps, each with the attack that it stops:

    1. The path is absolute (attack: the current directory chooses the module).
    2. With links followed, it is outside of the project and of any checkout (attack: a repository
       brings its own library, also beside a DVC root below the Git root, or in another worktree).
    3. The file exists.
    4. For a module of the settings: the file and all directories above it belong to root and only
       root can write them, so that no stage has left the file there.
    """
    own = os.environ.get(MODULE_VARIABLE)
    path = Path(own or settings.module or "")
    if not path.is_absolute():  # 1
        where = MODULE_VARIABLE if own else "signing.module"
        raise ConfigurationError(f"not an absolute path: {where}: {path}", "write an absolute path")
    real = path.resolve()
    repository = any((one / ".git").exists() for one in real.parents)
    if repository or real.is_relative_to(project.root.resolve()):  # 2
        raise ConfigurationError(
            f"PKCS#11 module inside a repository: {path}", "name an installed module"
        )
    if not real.is_file():  # 3
        raise UnavailableError(
            f"no such PKCS#11 module: {path}", f"install it, or set {MODULE_VARIABLE}"
        )
    if not own and not _is_installed(real):  # 4
        raise ConfigurationError(
            f"PKCS#11 module writable by other users than root: {path}",
            f"if you trust it, set {MODULE_VARIABLE}={path}",
        )
    return real


def _is_installed(real: Path) -> bool:
    found = [one.stat() for one in (real, *real.parents)]
    return all(one.st_uid == 0 and not one.st_mode & _OTHERS for one in found)
