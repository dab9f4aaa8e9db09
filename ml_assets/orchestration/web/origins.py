"""The origins of the UI: the hosts that it answers to, and the pages that may send it requests.

A page of any site can send requests to 127.0.0.1, and under its own name if that name resolves to
127.0.0.1 (DNS rebinding). The browser states the name in ``Host``, and the page in ``Origin`` and
``Sec-Fetch-Site``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ml_assets.orchestration.web.refusal import RequestRefusedError
from resources.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.datastructures import Headers

_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_OWN_SITE = {"same-origin", "none"}  # none: typed, or opened from outside of the browser


@dataclass(frozen=True)
class Origins:
    """The origins of one server.

    Attributes:
        by_host: the origin of each accepted ``Host``.
    """

    by_host: Mapping[str, str]

    def check(self, headers: Headers, *, is_navigation: bool) -> str:
        """Check the host and the sender of a request; return the origin that it was sent to.

        1. Exactly one ``Host``, spelled as browsers spell it: no DNS rebinding.
        2. ``Origin``, where sent, is the origin of that host. Another name of this machine is
           another site: a program of another user may serve it, such as ``[::1]``.
        3. ``Sec-Fetch-Site``, which a page cannot change, names no other site.

        Args:
            is_navigation: the browser shows the answer as a page, so that no other page reads it.

        Raises:
            RequestRefusedError: 403.
        """
        hosts = headers.getlist("host")
        origin = self.by_host.get(hosts[0]) if len(hosts) == 1 else None  # 1
        if origin is None:
            raise RequestRefusedError(
                403, f"unknown host: open {next(iter(self.by_host.values()))}"
            )
        senders = headers.getlist("origin")
        sites = headers.getlist("sec-fetch-site")
        foreign = any(sender != origin for sender in senders)  # 2
        foreign |= not is_navigation and any(site not in _OWN_SITE for site in sites)  # 3
        if foreign or len(senders) > 1 or len(sites) > 1:
            raise RequestRefusedError(403, f"request of another site: open {origin}")
        return origin


def find_origins(port: int, public: str | None) -> Origins:
    """Return the origins of a server on a port of this machine.

    Args:
        public: one more origin, of a proxy or a forwarded port.
    """
    hosts = [f"{name}:{port}" for name in _LOCAL] + (list(_LOCAL) if port == 80 else [])
    by_host = {host: f"http://{host}" for host in hosts}
    if public is not None:
        by_host[urlsplit(public).netloc] = public
    return Origins(by_host)


def parse_origin(text: str) -> str:
    """Parse an address into an origin as browsers write it, RFC 6454 section 6.2.

    Raises:
        ConfigurationError: it is no ``http`` or ``https`` address of a host.
    """
    try:
        parts = urlsplit(text.strip().rstrip("/").lower())
        default = {"http": 80, "https": 443}.get(parts.scheme)
        bare = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
        if default and bare and parts.hostname and text.isascii() and text.isprintable():
            name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            port = "" if parts.port in (None, default) else f":{parts.port}"
            return f"{parts.scheme}://{name}{port}"
    except ValueError:
        pass
    raise ConfigurationError(
        f"not an origin: {text}", "use scheme, host and port: --origin https://ui.example.org"
    )
