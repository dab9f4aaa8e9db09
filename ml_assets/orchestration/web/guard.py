"""The guard in front of Dagster's web server: what it lets through.

Dagster's server executes a mutation for any page that a browser of this machine shows, also by GET.
Users of this machine can read without the token. Changes need it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import parse_qsl

from graphql import OperationType
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml_assets.orchestration.web.access_token import NO_TOKEN, AccessToken
from ml_assets.orchestration.web.operation import find_operations, parse_request
from ml_assets.orchestration.web.origins import Origins
from ml_assets.orchestration.web.refusal import RequestRefusedError
from ml_assets.orchestration.web.subscriptions import judge_messages

_GRAPHQL = "/graphql"
_REPORTS = ("/report_asset_materialization/", "/report_asset_check/", "/report_asset_observation/")
#: Read files by a path that the request names; the graph has no notebooks.
_NOT_SERVED = ("/notebook", "/dagit/notebook")
_LONGEST = 8 * 1024 * 1024  # bytes of a body
#: No other page frames the UI, reads its answers, or learns its addresses.
_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """An ASGI application in front of another one.

    Args:
        served: the application behind the guard.
    """

    def __init__(self, served: ASGIApp, origins: Origins, token: AccessToken) -> None:
        self._served = served
        self._origins = origins
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with a refusal."""
        if scope["type"] == "http":
            await self._answer(scope, receive, _harden(send))
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        else:
            await self._served(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        try:
            _check_path(path)
            origin = self._origins.check(headers, is_navigation=_is_navigation(method, headers))
            query = _parse_query(scope)
            if method in ("GET", "HEAD"):
                _check_read(method, path, query, headers)
            elif method == "POST" and path == _GRAPHQL:
                receive = await self._check_graphql(query, headers, receive)
            elif method == "POST" and path.startswith(_REPORTS):
                self._check_token(headers)
            else:
                raise RequestRefusedError(405, f"method not allowed: {method}")
            if path == "/" and "token" in query:
                await self._log_in(query["token"], origin, send)
                return
        except RequestRefusedError as refusal:
            await _send(send, refusal.status, json.dumps(refusal.document()).encode())
            return
        await self._served(scope, receive, send)

    def _check_token(self, headers: Headers) -> None:
        if not self._token.is_in(headers):
            raise RequestRefusedError(401, NO_TOKEN)

    async def _check_graphql(
        self, query: dict[str, str], headers: Headers, receive: Receive
    ) -> Receive:
        """Judge the one document of the body; return a channel that gives the same bytes.

        A page can send a form or plain text to another site unasked, but no JSON.
        """
        types = headers.getlist("content-type")
        if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
            raise RequestRefusedError(415, "not JSON: send Content-Type application/json")
        if "query" in query:
            raise RequestRefusedError(400, "two GraphQL documents: send query in the body")
        body = await _read(receive)
        if find_operations(parse_request(body)) != {OperationType.QUERY}:
            self._check_token(headers)
        return _replay(body, receive)

    async def _log_in(self, given: str, origin: str, send: Send) -> None:
        """Keep the token of an address in a cookie, and remove it from the address."""
        if not self._token.matches(given):
            raise RequestRefusedError(401, f"wrong token, perhaps of an earlier start: {NO_TOKEN}")
        cookie = self._token.cookie(origin)
        await _send(send, 303, b"", [(b"location", b"/"), (b"set-cookie", cookie.encode())])

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            self._origins.check(headers, is_navigation=False)
            if scope["path"] != _GRAPHQL:
                raise RequestRefusedError(404, "no websocket here")
        except RequestRefusedError as refusal:  # before the handshake, the server answers 403
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.message})
            return
        if not self._token.is_in(headers):
            receive = judge_messages(receive, send)
        await self._served(scope, receive, send)


def _check_path(path: str) -> None:
    """Refuse an absolute address, and an end of line that a route's pattern may not see."""
    if not path.startswith("/") or not path.isprintable():
        raise RequestRefusedError(400, "not a path of this server")


def _is_navigation(method: str, headers: Headers) -> bool:
    """Whether a browser opens a page, as with a link on another site."""
    modes, targets = headers.getlist("sec-fetch-mode"), headers.getlist("sec-fetch-dest")
    return method == "GET" and (modes, targets) == (["navigate"], ["document"])


def _parse_query(scope: Scope) -> dict[str, str]:
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query = dict(pairs)
    if len(query) < len(pairs) and {"query", "token"} & set(query):
        raise RequestRefusedError(400, "a parameter is repeated: send each once")
    return query


def _check_read(method: str, path: str, query: dict[str, str], headers: Headers) -> None:
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        raise RequestRefusedError(400, f"{method} with a body: send none")
    if path in _NOT_SERVED:
        raise RequestRefusedError(404, "notebooks are not served")
    if path != _GRAPHQL:
        return
    if method != "GET":
        raise RequestRefusedError(405, f"method not allowed: {method}")
    if query and find_operations(query) != {OperationType.QUERY}:
        raise RequestRefusedError(405, "only queries can be sent by GET: use POST")


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RequestRefusedError(400, "the request ended early: send it again")
        body += message.get("body", b"")
        if len(body) > _LONGEST:
            raise RequestRefusedError(413, f"request too large: send up to {_LONGEST} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _harden(send: Send) -> Send:
    async def harden(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
        await send(message)

    return harden


async def _send(
    send: Send, status: int, body: bytes, more: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *more]
    headers.append((b"content-length", str(len(body)).encode()))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
