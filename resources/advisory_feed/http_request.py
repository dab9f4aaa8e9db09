"""One HTTP request: where it may go, and where a redirect may take it.

1. Only http and https, also after a redirect, and never from https down to http.
2. Plain http needs a sha256 or a loopback address: who sits between could leave an advisory out.
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
    """Refuse what is not http or https, and what nobody can trust."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"not an http or https address: {url}", "give https://…")
    if parts.username or parts.password:
        raise ConfigurationError(
            "an address with a password in it", "leave it out: advisories are public"
        )
    if parts.scheme == "http" and not sha256 and not _is_loopback(parts.hostname):
        raise ConfigurationError(
            f"plain http can be changed on its way: {url}", "give https://…, or the file's sha256"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never to another scheme than http and https, nor down to http."""

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
            raise HostileFeedError(f"redirected astray: {newurl}")
        followed = super().redirect_request(req, fp, code, msg, headers, newurl)
        if followed is not None:
            # Plain http was let in for its sha256, which stays, or as loopback, which this must be.
            start = urlsplit(req.full_url).hostname or ""
            trusted = req.type == "http" and not _is_loopback(start)
            verify_address(newurl, "compared" if trusted else "")
        return followed


class _Answers(urllib.request.HTTPErrorProcessor):
    """Leaves every answer but redirects to the caller: 304 and 416 are no errors here."""

    def http_response(
        self, request: urllib.request.Request, response: http.client.HTTPResponse
    ) -> http.client.HTTPResponse:
        if response.status in (301, 302, 303, 307, 308):
            answer: http.client.HTTPResponse = super().http_response(request, response)
            return answer
        return response

    https_response = http_response


def open_request(request: urllib.request.Request, silence: float) -> http.client.HTTPResponse:
    """Open with handlers for http and https alone: there is none for files to be redirected to."""
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
        raise FeedError(f"no answer: {request.full_url}", "look at the address")
    return response
