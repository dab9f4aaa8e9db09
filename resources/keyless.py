"""Keyless signing: Sigstore, with the identity that a CI job or a person has right now.

Specification: Sigstore client spec, *Signing*. The services are the public ones, or those of a
client trust configuration. A token is used and forgotten: it is in no message and in no log.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from resources.errors import ConfigurationError, UnavailableError
from security.bundle import Bundle, Kind, parse_bundle
from security.identity import Identity

#: A token that was had elsewhere; wins over what the surroundings offer.
TOKEN_VARIABLE = "SIGSTORE_ID_TOKEN"  # nosec B105  # the name of a variable
_HINT = "in GitHub Actions add: permissions: id-token: write; elsewhere set SIGSTORE_ID_TOKEN"


class KeylessSigner:
    """Signs with a key that lives for one signature, for who holds a token.

    Args:
        configuration: client trust configuration, JSON; None for the public services.
    """

    def __init__(self, configuration: str | None) -> None:
        self._configuration = configuration

    @cached_property
    def _token(self) -> Any:
        from sigstore.oidc import IdentityToken, detect_credential

        try:
            raw = os.environ.get(TOKEN_VARIABLE) or detect_credential()
            if not raw:
                raise UnavailableError("nobody here has an identity to sign with", _HINT)
            token = IdentityToken(raw)
        except UnavailableError:
            raise
        except Exception as error:  # what it says may hold the token
            raise UnavailableError(
                f"no identity to sign with: {type(error).__name__}", _HINT
            ) from None
        if not token.in_validity_period():
            raise UnavailableError("the identity token has expired", "get another, and sign again")
        return token

    @cached_property
    def _context(self) -> Any:
        from sigstore.models import ClientTrustConfig
        from sigstore.sign import SigningContext

        try:
            found = (
                ClientTrustConfig.from_json(self._configuration)
                if self._configuration is not None
                else ClientTrustConfig.production()
            )
            return SigningContext.from_trust_config(found)
        except Exception as error:
            raise UnavailableError(
                f"no way to Sigstore: {type(error).__name__}: {str(error)[:200]}",
                "look at signing.sigstore, and at the network",
            ) from error

    @property
    def identity(self) -> Identity:
        """Who signs, as the token says.

        Raises:
            UnavailableError: there is no token, or it has expired.
        """
        token = self._token
        return Identity(Kind.KEYLESS, str(token.identity), str(token.federated_issuer))

    def sign(self, payload: bytes) -> Bundle:
        """Sign a statement's bytes.

        Raises:
            UnavailableError: the token is refused or has expired, or a service does not answer.
        """
        from sigstore.dsse import Statement

        token, context = self._token, self._context
        try:
            with context.signer(token) as signer:
                written = signer.sign_dsse(Statement(payload)).to_json()
        except Exception as error:  # what it says may hold the token
            raise UnavailableError(
                f"Sigstore did not sign: {type(error).__name__}",
                "look whether its services can be reached, get a new token, and sign again",
            ) from None
        return parse_bundle(written.encode("utf-8"))


def open_keyless_signer(configuration: Path | None) -> KeylessSigner:
    """Open what signs keyless.

    Args:
        configuration: the file of a client trust configuration; None for the public services.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if configuration is None:
        return KeylessSigner(None)
    try:
        return KeylessSigner(configuration.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"cannot read: {configuration}: {type(error).__name__}", "look at signing.sigstore"
        ) from error
