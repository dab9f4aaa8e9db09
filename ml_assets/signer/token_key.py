"""The key in a PKCS#11 token: its URI, the user's PIN, and the module that may be loaded.

A module is a shared library that runs in this process, unconfined. So the settings can name only a
module that an administrator has installed, where no stage can change it; users name any other
module in the environment.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from resources.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from resources.signing.pkcs11_signer import TokenKey

#: The variable with the token's PIN. ``stage_environment`` withholds it from stages by its name.
PIN_VARIABLE = "ML_ASSETS_PKCS11_PIN"
#: The variable with a module that replaces the one in the settings.
MODULE_VARIABLE = "ML_ASSETS_PKCS11_MODULE"
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def find_token_key(
    uri: str, module: str | None, root: Path, variables: Mapping[str, str]
) -> TokenKey:
    """Find the key in the token.

    Args:
        uri: of the key (RFC 7512).
        module: path of the module in the settings.
        root: of the project.
        variables: may hold the PIN, and name another module.

    Raises:
        ConfigurationError: the URI or the module is not valid, or PKCS#11 support is missing.
        UnavailableError: the module does not exist.
    """
    try:
        from resources.signing.pkcs11_signer import TokenKey, parse_uri
    except ImportError as error:
        raise ConfigurationError(
            "PKCS#11 support is not installed", "install ml-assets with its extra: pkcs11"
        ) from error
    pin = variables.get(PIN_VARIABLE) or None
    return TokenKey(parse_uri(uri), _find_module(module, root, variables), pin)


def _find_module(module: str | None, root: Path, variables: Mapping[str, str]) -> Path:
    """Find the module to load. The steps, each with the attack that it stops:

    1. The path is absolute (attack: the current directory chooses the module).
    2. With links followed, it is outside of the project and of any checkout (attack: a repository
       brings its own library, also beside a DVC root below the Git root, or in another worktree).
    3. The file exists.
    4. For a module of the settings: the file and all directories above it belong to root and only
       root can write them, so that no stage has left the file there.
    """
    own = variables.get(MODULE_VARIABLE)
    path = Path(own or module or "")
    if not path.is_absolute():  # 1
        where = MODULE_VARIABLE if own else "signing.module"
        raise ConfigurationError(f"not an absolute path: {where}: {path}", "write an absolute path")
    real = path.resolve()
    repository = any((one / ".git").exists() for one in real.parents)
    if repository or real.is_relative_to(root.resolve()):  # 2
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
