"""The HTTP request: allowed addresses and redirects.

1. Allow only http and https, also in a redirect, and no redirect from https to http.
2. Allow plain http only with a sha256 or a loopback address: a man in the middle could remove an
   advisory.
"""

from __future__ import annotations

import http.client
import ipaddress
import urllib.request
from typing import IO
from urllib.parse import urlsplit

from resources.advisory_feed.errors import FeedError, HostileFeedError
from resources.errors import ConfigurationError


def verify_address(url: str, sha256: str) -> None:
    """Require an allowed address.

    Raises:
        ConfigurationError: the address violates a rule above, or contains a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"not an http or https address: {url}", "use an address such as: https://HOST/all.zip"
        )
    if parts.username or parts.password:
        raise ConfigurationError(
            f"password in the address of: {parts.hostname}",
            "remove the password: advisories are public",
        )
    if parts.scheme == "http" and not sha256 and not _is_loopback(parts.hostname):
        raise ConfigurationError(
            f"plain http address without a sha256: {url}",
            "use https://, or pin the file: --sha256 DIGEST",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https, but not from https to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            raise HostileFeedError(f"refused redirect: {newurl}")
        followed = super().redirect_request(req, fp, code, msg, headers, newurl)
        if followed is not None:
            # The start was plain http with a sha256, which also protects the target, or loopback,
            # in which case the target must be allowed by itself.
            start = urlsplit(req.full_url).hostname or ""
            trusted = req.type == "http" and not _is_loopback(start)
            verify_address(newurl, "compared" if trusted else "")
        return followed


class _Answers(urllib.request.HTTPErrorProcessor):
    """Returns all answers except redirects to the caller: 304 and 416 are no errors here."""

    def http_response(
        self, request: urllib.request.Request, response: http.client.HTTPResponse
    ) -> http.client.HTTPResponse:
        if response.status in (301, 302, 303, 307, 308):
            answer: http.client.HTTPResponse = super().http_response(request, response)
            return answer
        return response

    https_response = http_response


def open_request(request: urllib.request.Request, silence: float) -> http.client.HTTPResponse:
    """Open a request with handlers for http and https only, so no redirect can reach a file."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        _Redirects(),
        _Answers(),
    ):
        opener.add_handler(handler)
    response = opener.open(request, timeout=silence)
    if not isinstance(response, http.client.HTTPResponse):
        raise FeedError(
            f"no answer: {request.full_url}", f"check the address: curl -I {request.full_url}"
        )
    return response
