"""The signing method of a project, from the settings of the protected branch."""

from __future__ import annotations

from collections.abc import Callable

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.project.settings.signing import Method
from ml_assets.signer.access import SignerAccess, find_signer
from ml_assets.signer.service import SigningMethod
from ml_assets.signer.user_directories import find_configuration
from resources.errors import ConfigurationError


def open_signer(project: Project, rules: Rules, on_notice: Callable[[str], None]) -> SignerAccess:
    """Open the signer of the protected branch's settings.

    Args:
        on_notice: receives a message when a key is created.

    Raises:
        ResourceError, SecurityError: the key is not available.
    """
    signer = find_signer()
    is_new = rules.settings.signing.method is Method.KEY and signer.born() is None
    signer.open(find_method(project, rules))
    if is_new:
        file = find_configuration() / "signing.key"
        on_notice(f"created a signing key: {file}; publish it: ml-assets keys generate")
    return signer


def choose_signer(project: Project, rules: Rules) -> None:
    """Choose what signs for this process, before it reads anything that a branch can write.

    Raises:
        ConfigurationError: a file of the settings cannot be read, or another method was chosen.
    """
    find_signer().choose(find_method(project, rules))


def find_method(project: Project, rules: Rules) -> SigningMethod:
    """Find what signs, with the files that the settings name.

    Raises:
        ConfigurationError: a file of the settings cannot be read.
    """
    settings = rules.settings.signing
    return SigningMethod(
        settings.method.value,
        str(project.root),
        settings.key,
        _read_certificates(project, settings.certificates),
        _read_sigstore(rules),
        settings.uri,
        settings.module,
    )


def _read_certificates(project: Project, file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return (project.root / file).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"cannot read certificates: {file}: {error}",
            "set signing.certificates to a PEM file with the signer's certificate first",
        ) from error


def _read_sigstore(rules: Rules) -> str | None:
    """Read the client trust configuration from the protected branch."""
    file = rules.settings.signing.sigstore
    if file is None:
        return None
    text = rules.protection.read(file).get(file)
    if text is None:
        raise ConfigurationError(f"no such file: {file} of {rules.origin}", "commit it there")
    return text.decode("utf-8", "replace")
