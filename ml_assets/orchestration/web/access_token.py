"""The access token: each change in the UI needs it.

Browsers and programs of all users of this machine reach the UI. The token is in the address that
``ml-assets ui`` prints; a browser that opens the address keeps it in a cookie.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.datastructures import Headers

TOKEN_VARIABLE = "ML_ASSETS_UI_TOKEN"  # nosec B105  # the name of a variable
#: The message to a user without it.
NO_TOKEN = "no access token: open the address that ml-assets ui printed"  # nosec B105  # a text
_LENGTH = 32  # characters at least, of a token that a user has chosen
_FORM = re.compile(r"[A-Za-z0-9._~-]+")  # RFC 3986 section 2.3, so that addresses need no escapes


@dataclass(frozen=True)
class AccessToken:
    """The token of one server.

    Attributes:
        port: the port of the server. Cookies are shared by all ports of a host.
    """

    value: str
    port: int

    @property
    def cookie_name(self) -> str:
        """The name of its cookie."""
        return f"ml-assets-{self.port}"

    @property
    def cookie_value(self) -> str:
        """The value of its cookie, from which the token is not found."""
        return hashlib.sha256(b"ml-assets ui cookie\0" + self.value.encode()).hexdigest()

    def cookie(self, origin: str) -> str:
        """Return ``Set-Cookie`` for a browser, RFC 6265 section 4.1.

        No script reads it, no page of another site sends it, and it goes to GraphQL only.
        """
        secure = "; Secure" if origin.startswith("https:") else ""
        cookie = f"{self.cookie_name}={self.cookie_value}"
        return f"{cookie}; Path=/graphql; HttpOnly; SameSite=Strict{secure}"

    def matches(self, text: str) -> bool:
        """Whether a text is the token, in constant time."""
        return hmac.compare_digest(text.encode(), self.value.encode())

    def is_in(self, headers: Headers) -> bool:
        """Whether a request has the token: as a bearer token (RFC 6750) or as the cookie."""
        scheme, _, given = (headers.get("authorization") or "").partition(" ")
        if scheme.lower() == "bearer" and self.matches(given.strip()):
            return True
        pairs = ";".join(headers.getlist("cookie")).split(";")
        expected = f"{self.cookie_name}={self.cookie_value}".encode()
        return any(hmac.compare_digest(pair.strip().encode(), expected) for pair in pairs)


def make_token(chosen: str | None) -> str:
    """Return the token that the user has chosen, or a random one of 256 bits.

    Raises:
        ConfigurationError: the chosen token is too short, or has characters that addresses escape.
    """
    if chosen is None:
        return secrets.token_urlsafe(32)
    if len(chosen) < _LENGTH or not _FORM.fullmatch(chosen):
        raise ConfigurationError(
            f"{TOKEN_VARIABLE} is not at least {_LENGTH} letters, digits and . _ ~ -",
            f"unset {TOKEN_VARIABLE} to get a random token, or use: openssl rand -hex 32",
        )
    return chosen
