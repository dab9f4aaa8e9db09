"""Keyless signing: Sigstore, with the identity that a CI job or a person has right now.

Specification: Sigstore client spec, *Signing*. The services are the public ones, or those of a
client trust configuration. A token is used and forgotten: it is in no message and in no log.
"""

from __future__ import annotations

import datetime
import os
import re
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from resources.errors import ConfigurationError, UnavailableError
from security.content.printable import printable
from security.errors import SecurityError
from security.signing.bundle import Bundle, parse_bundle
from security.signing.identity import Identity
from security.signing.keyless_certificate import parse_keyless_certificate
from security.signing.keyless_signature import verify_keyless
from security.signing.trust import Trust, TrustedIdentity

if TYPE_CHECKING:
    from sigstore.dsse import Statement
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken
    from sigstore.sign import Signer, SigningContext

#: A token that was had elsewhere; wins over what the surroundings offer.
TOKEN_VARIABLE = "SIGSTORE_ID_TOKEN"  # nosec B105  # the name of a variable
_PERMISSION = "give the job in its workflow: permissions: id-token: write"
_HINT = f"in GitHub Actions {_PERMISSION}; elsewhere set {TOKEN_VARIABLE}"
#: Seconds that a service may say nothing.
LONGEST_WAIT = 60.0
#: A certificate that is over so soon could be so when the log writes down the time.
_MARGIN = datetime.timedelta(minutes=1)


class KeylessSigner:
    """Signs with a key that lives as long as its certificate, minutes, and never leaves memory.

    Args:
        configuration: client trust configuration, JSON; None for the public services.
    """

    def __init__(self, configuration: str | None) -> None:
        self._configuration = configuration
        self._open: tuple[Signer, datetime.datetime, Identity] | None = None

    @cached_property
    def trusted_root(self) -> bytes:
        """What verifies its signatures offline: Sigstore's trusted root, JSON.

        Raises:
            UnavailableError: there is no way to Sigstore.
        """
        return self._client.trusted_root._inner.to_json().encode("utf-8")

    @property
    def identity(self) -> Identity:
        """Who signs, as the certificate says; gets one unless there is a good one.

        Raises:
            UnavailableError: there is no token, it is refused or has expired, or a service does
                not answer.
            SignatureError: what was certified is no identity.
        """
        return self._certified()[1]

    def sign(self, payload: bytes) -> Bundle:
        """Sign a statement's bytes; nobody gets the signature before it was verified, offline.

        Raises:
            UnavailableError: there is no token, it is refused or has expired, or a service does
                not answer, or not as it should.
            SignatureError: what was certified is no identity.
        """
        signer, identity = self._certified()
        try:
            _limit_waiting(signer._signing_ctx)
            written = signer.sign_dsse(_wrap(payload)).to_json()
        except Exception as error:  # what it says may hold the token
            raise _refuse(error) from None
        try:
            bundle = parse_bundle(written.encode("utf-8"))
            entry = TrustedIdentity(
                "itself", identity=identity.name, issuer=identity.issuer, root=self.trusted_root
            )
            verify_keyless(bundle, Trust({}, (entry,)))
        except SecurityError as error:
            raise UnavailableError(
                f"Sigstore did not sign as it should: {error.message}",
                "look whether its trust configuration is of the services that it names",
            ) from error
        if bundle.envelope.payload != payload:
            raise UnavailableError("Sigstore did not sign these bytes", "tell who maintains this")
        return bundle

    def _certified(self) -> tuple[Signer, Identity]:
        """Return a signer whose certificate is still good, with whom that names."""
        now = datetime.datetime.now(datetime.UTC)
        if self._open is None or self._open[1] - _MARGIN <= now:
            self._open = self._certify()
        return self._open[0], self._open[2]

    def _certify(self) -> tuple[Signer, datetime.datetime, Identity]:
        """Get a token, and for that a certificate; what is private of sigstore is used here."""
        client, token = self._client, _read_token()
        from cryptography.hazmat.primitives.serialization import Encoding
        from sigstore.sign import Signer, SigningContext

        try:
            context = SigningContext.from_trust_config(client)
            _limit_waiting(context)
            signer = Signer(token, context)
            certificate = signer._signing_cert()
        except Exception as error:  # what it says may hold the token
            raise _refuse(error) from None
        identity = parse_keyless_certificate(certificate.public_bytes(Encoding.DER))
        return signer, certificate.not_valid_after_utc, identity

    @cached_property
    def _client(self) -> ClientTrustConfig:
        from sigstore.models import ClientTrustConfig  # takes a second, so not before it is needed

        try:
            if self._configuration is None:
                return ClientTrustConfig.production()
            return ClientTrustConfig.from_json(self._configuration)
        except Exception as error:
            reason = printable(f"{type(error).__name__}: {error}")
            raise UnavailableError(
                f"no way to Sigstore: {reason}", "look at signing.sigstore, and at the network"
            ) from error


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


def _read_token() -> IdentityToken:
    """Return the token that the environment gives, or the one that the surroundings offer."""
    from sigstore.oidc import IdentityToken, detect_credential

    try:
        raw = os.environ.get(TOKEN_VARIABLE) or detect_credential()
    except Exception as error:  # what it says may hold an answer with a token
        raise UnavailableError(f"no identity to sign with: {_say(error)}", _HINT) from None
    if not raw:
        raise UnavailableError("nobody here has an identity to sign with", _HINT)
    try:
        return IdentityToken(raw)
    except Exception as error:  # what it says may hold the token
        over = type(error.__cause__).__name__ == "ExpiredSignatureError" or "period" in str(error)
        what = "has expired" if over else "is none that Sigstore takes"
        hint = f"get another for the audience sigstore, and sign again; {_HINT}"
        raise UnavailableError(f"no identity to sign with: the token {what}", hint) from None


def _wrap(payload: bytes) -> Statement:
    """Hand bytes to sigstore as they are: it knows fewer kinds of digests than in-toto does."""
    from sigstore.dsse import Statement

    statement = Statement.__new__(Statement)
    statement._contents = payload
    return statement


def _limit_waiting(context: SigningContext) -> None:
    """Have services that say nothing be given up; sigstore itself waits for ever.

    Each thread has a session of its own with the log, so this is said before each use.
    """
    for session in (context._fulcio.session, getattr(context._rekor, "_session")):
        limited = partial(type(session).request, session, timeout=LONGEST_WAIT)
        setattr(session, "request", limited)  # a method of this one session


def _refuse(error: Exception) -> UnavailableError:
    return UnavailableError(
        f"Sigstore did not sign: {_say(error)}",
        "look whether its services can be reached, get a new token, and sign again",
    )


def _say(error: BaseException) -> str:
    """Say what went wrong without the words of the error, which may hold the token."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            break
        response, request = getattr(seen, "response", None), getattr(seen, "request", None)
        if response is not None:
            return f"{_host(response.url)} answered with status {response.status_code}"
        if request is not None:
            return f"{_host(request.url)} cannot be reached"
        if type(seen).__name__ == "GitHubOidcPermissionCredentialError":
            return "the job may not ask for a token"
        if status := re.search(r"\(code=(\d{3})\b", str(seen)):
            return f"who gives out tokens answered with status {status[1]}"
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__


def _host(url: str | None) -> str:
    return urlsplit(url or "").hostname or "a service"
