"""Keyless signing: Sigstore, with the current identity of a CI job or person.

Specification: Sigstore client spec, *Signing*. The services are the public ones, or those of a
client trust configuration. The token never appears in a message or log.
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

#: A token from elsewhere; takes precedence over the token of the CI platform.
TOKEN_VARIABLE = "SIGSTORE_ID_TOKEN"  # nosec B105  # the name of a variable
_PERMISSION = "add to the job: permissions: id-token: write"
_HINT = f"in GitHub Actions, {_PERMISSION}; elsewhere set {TOKEN_VARIABLE}"
#: Seconds to wait for an answer of a service.
LONGEST_WAIT = 60.0
#: A certificate must remain valid this long, so that it is valid when the log records the time.
_MARGIN = datetime.timedelta(minutes=1)


class KeylessSigner:
    """Signs with a key that stays in memory and lives as long as its certificate (minutes).

    Args:
        configuration: client trust configuration, JSON; None for the public services.
    """

    def __init__(self, configuration: str | None) -> None:
        self._configuration = configuration
        self._open: tuple[Signer, datetime.datetime, Identity] | None = None

    @cached_property
    def trusted_root(self) -> bytes:
        """The trusted root of Sigstore (JSON), which verifies the signatures offline.

        Raises:
            UnavailableError: Sigstore cannot be reached.
        """
        return self._client.trusted_root._inner.to_json().encode("utf-8")

    @property
    def identity(self) -> Identity:
        """The signer according to the certificate; requests one unless it has a valid one.

        Raises:
            UnavailableError: the token is missing, rejected or expired, or a service does not
                answer.
            SignatureError: the certificate contains no identity.
        """
        return self._certified()[1]

    def sign(self, payload: bytes) -> Bundle:
        """Sign the bytes of a statement, and verify the signature offline before returning it.

        Raises:
            UnavailableError: the token is missing, rejected or expired, or a service does not
                answer, or returns an invalid signature.
            SignatureError: the certificate contains no identity.
        """
        signer, identity = self._certified()
        try:
            _limit_waiting(signer._signing_ctx)
            written = signer.sign_dsse(_wrap(payload)).to_json()
        except Exception as error:  # its message may contain the token
            raise _refuse(error) from None
        try:
            bundle = parse_bundle(written.encode("utf-8"))
            entry = TrustedIdentity(
                "itself", identity=identity.name, issuer=identity.issuer, root=self.trusted_root
            )
            verify_keyless(bundle, Trust({}, (entry,)))
        except SecurityError as error:
            raise UnavailableError(
                f"invalid signature from Sigstore: {error.message}",
                "check the keys in signing.sigstore, and the clock: date",
            ) from error
        if bundle.envelope.payload != payload:
            raise UnavailableError(
                "invalid signature from Sigstore: it covers other bytes",
                "report it as a bug of ml-assets",
            )
        return bundle

    def _certified(self) -> tuple[Signer, Identity]:
        """Return a signer with a valid certificate, and the identity in it."""
        now = datetime.datetime.now(datetime.UTC)
        if self._open is None or self._open[1] - _MARGIN <= now:
            self._open = self._certify()
        return self._open[0], self._open[2]

    def _certify(self) -> tuple[Signer, datetime.datetime, Identity]:
        """Exchange a token for a certificate, with private functions of the sigstore package."""
        client, token = self._client, _read_token()
        from cryptography.hazmat.primitives.serialization import Encoding
        from sigstore.sign import Signer, SigningContext

        try:
            context = SigningContext.from_trust_config(client)
            _limit_waiting(context)
            signer = Signer(token, context)
            certificate = signer._signing_cert()
        except Exception as error:  # its message may contain the token
            raise _refuse(error) from None
        identity = parse_keyless_certificate(certificate.public_bytes(Encoding.DER))
        return signer, certificate.not_valid_after_utc, identity

    @cached_property
    def _client(self) -> ClientTrustConfig:
        from sigstore.models import ClientTrustConfig  # takes a second to import

        try:
            if self._configuration is None:
                return ClientTrustConfig.production()
            return ClientTrustConfig.from_json(self._configuration)
        except Exception as error:
            reason = printable(f"{type(error).__name__}: {error}")
            raise UnavailableError(
                f"cannot load the trust configuration of Sigstore: {reason}",
                "check signing.sigstore and the network, then run again",
            ) from error


def open_keyless_signer(configuration: Path | None) -> KeylessSigner:
    """Open a keyless signer.

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
            f"cannot read the trust configuration: {configuration}: {type(error).__name__}",
            "set signing.sigstore to a JSON file that exists",
        ) from error


def _read_token() -> IdentityToken:
    """Return the token from the environment variable, else from the CI platform."""
    from sigstore.oidc import IdentityToken, detect_credential

    try:
        raw = os.environ.get(TOKEN_VARIABLE) or detect_credential()
    except Exception as error:  # its message may contain an answer with a token
        raise UnavailableError(f"no identity to sign with: {_reason(error)}", _HINT) from None
    if not raw:
        raise UnavailableError("no identity to sign with: no token", _HINT)
    try:
        return IdentityToken(raw)
    except Exception as error:  # its message may contain the token
        over = type(error.__cause__).__name__ == "ExpiredSignatureError" or "period" in str(error)
        what = "has expired" if over else "is invalid"
        hint = f"get a new token for the audience sigstore, then run again; {_HINT}"
        raise UnavailableError(f"no identity to sign with: the token {what}", hint) from None


def _wrap(payload: bytes) -> Statement:
    """Wrap bytes for sigstore without parsing: it supports fewer digests than in-toto."""
    from sigstore.dsse import Statement

    statement = Statement.__new__(Statement)
    statement._contents = payload
    return statement


def _limit_waiting(context: SigningContext) -> None:
    """Set a timeout for the services; sigstore itself waits forever.

    Call it before each use: each thread has its own session with the log.
    """
    for session in (context._fulcio.session, getattr(context._rekor, "_session")):
        limited = partial(type(session).request, session, timeout=LONGEST_WAIT)
        setattr(session, "request", limited)  # a method of this one session


def _refuse(error: Exception) -> UnavailableError:
    return UnavailableError(
        f"Sigstore did not sign: {_reason(error)}",
        "check the network, get a new token, then run again",
    )


def _reason(error: BaseException) -> str:
    """Return the reason of a failure without the message of the error: it may contain the token."""
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
            return "the job has no permission to request a token"
        if status := re.search(r"\(code=(\d{3})\b", str(seen)):
            return f"the token service answered with status {status[1]}"
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__


def _host(url: str | None) -> str:
    return urlsplit(url or "").hostname or "a service"
