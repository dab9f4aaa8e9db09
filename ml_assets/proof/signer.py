"""The signer and the ledger of a project's statements, from the settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets.project.project import Project, find_configuration
from ml_assets.project.rules import Rules
from ml_assets.project.settings.signing import Method, SigningSettings
from ml_assets.proof.token_key import open_token_signer
from resources.errors import ConfigurationError
from resources.git.command import mask
from security.ledger.ledger import Ledger, LedgerDirectory
from security.signing.signer import Signer

if TYPE_CHECKING:
    from resources.signing.keyless_signer import KeylessSigner

#: The variable with the passphrase of the user's own key.
PASSPHRASE_VARIABLE = "ML_ASSETS_KEY_PASSPHRASE"  # nosec B105  # the name of a variable


def open_ledger(project: Project, where: str | None) -> Ledger:
    """Open a ledger.

    Args:
        where: a URL, or a path from the project's root; None for the local state.

    Raises:
        ResourceError: the ledger cannot be opened.
    """
    if where is None:
        return Ledger(LedgerDirectory(project.make_state() / "ledger"))
    if "://" not in where:
        return Ledger(LedgerDirectory((project.shared or project.root) / where))
    from resources.stores.ledger_bucket import open_bucket

    return Ledger(open_bucket(where))


def describe_ledger(project: Project, where: str | None) -> str:
    """Return the place of a ledger for people, without credentials.

    Args:
        where: as for ``open_ledger``.
    """
    if where is not None and "://" in where:
        return mask(where)
    return os.fspath(
        project.state / "ledger" if where is None else (project.shared or project.root) / where
    )


def open_signer(project: Project, rules: Rules, on_notice: Callable[[str], None]) -> Signer:
    """Open the signer of the protected branch's settings.

    Args:
        on_notice: receives a message when a key is created.

    Raises:
        ResourceError, SecurityError: the key is not available.
    """
    settings = rules.settings.signing
    if settings.method is Method.KEYLESS:
        return open_keyless(rules, settings)
    if settings.method is Method.CERTIFICATE:
        from resources.signing.certificate_signer import open_certificate_signer

        return open_certificate_signer(
            _outside(project, str(settings.key)),
            project.root / str(settings.certificates),
            os.environ.get(PASSPHRASE_VARIABLE),
        )
    if settings.method is Method.PKCS11:
        return open_token_signer(project, settings)
    from resources.signing.keyring import Keyring

    keyring = Keyring(find_configuration())
    if not keyring.exists():
        on_notice(f"created a signing key: {keyring.file}; publish it: ml-assets keys generate")
    return keyring.open_signer(os.environ.get(PASSPHRASE_VARIABLE))


def open_keyless(rules: Rules, settings: SigningSettings) -> KeylessSigner:
    """Open the keyless signer, for the Sigstore that the protected branch names.

    Raises:
        ConfigurationError: the protected branch does not have the configuration.
    """
    from resources.signing.keyless_signer import KeylessSigner

    if settings.sigstore is None:
        return KeylessSigner(None)
    text = rules.protection.read(settings.sigstore).get(settings.sigstore)
    if text is None:
        raise ConfigurationError(
            f"no such file: {settings.sigstore} of {rules.origin}", "commit it there"
        )
    return KeylessSigner(text.decode("utf-8", "replace"))


def _outside(project: Project, key: str) -> Path:
    """Return the path of a private key, which no repository may hold."""
    path = Path(os.path.expanduser(key))
    if not path.is_absolute() or path.resolve().is_relative_to(project.root.resolve()):
        raise ConfigurationError(
            f"private key inside the project: {key}", "move it to your configuration directory"
        )
    return path
