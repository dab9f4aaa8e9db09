"""Websockets: a page of any site can open one, and no preflight asks first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from .site import BEARER, MUTATION, QUERY, Site
from .test_requests import FOREIGN_HOSTS, FOREIGN_ORIGINS

SUBSCRIPTION = "subscription S { locationStateChangeEvents { event { message } } }"


@contextmanager
def connected(site: Site, headers: Mapping[str, str] | None = None) -> Iterator[ClientConnection]:
    """Connect as a browser does."""
    address = f"ws://127.0.0.1:{site.port}/graphql"
    more = list({"Origin": site.origin, **(headers or {})}.items())
    protocols = [Subprotocol("graphql-ws")]
    with connect(
        address, additional_headers=more, subprotocols=protocols, proxy=None
    ) as connection:
        yield connection


def ask(connection: ClientConnection, message: Any) -> dict[str, Any]:
    """Send a message and return the next one."""
    connection.send(message if isinstance(message, str | bytes) else json.dumps(message))
    answer: dict[str, Any] = json.loads(connection.recv(timeout=20))
    return answer


def is_open(connection: ClientConnection) -> bool:
    """Whether the server still answers."""
    return ask(connection, {"type": "connection_init"}) == {"type": "connection_ack"}


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_handshake_of_another_origin_is_refused(site: Site, origin: str) -> None:
    name = origin.format(port=site.port)
    with pytest.raises(InvalidStatus, match="403"), connected(site, headers={"Origin": name}):
        pass


@pytest.mark.parametrize("host", [host for host in FOREIGN_HOSTS if host])
def test_handshake_with_a_rebound_name_is_refused(site: Site, host: str) -> None:
    name = host.format(port=site.port)
    request = (
        f"GET /graphql HTTP/1.1\r\nHost: {name}\r\nOrigin: http://{name}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert site.send_bytes(request.encode()).status in (400, 403)


def test_handshake_that_the_browser_calls_foreign_is_refused(site: Site) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "websocket"}
    with pytest.raises(InvalidStatus, match="403"), connected(site, headers=headers):
        pass


def test_no_other_path_has_websockets(site: Site) -> None:
    for path in ("/", "/graphql%0A", "/report_asset_check/a"):
        with pytest.raises(InvalidStatus, match="403"):
            connect(f"ws://127.0.0.1:{site.port}{path}", proxy=None)


@pytest.mark.parametrize("kind", ["start", "subscribe"])
@pytest.mark.parametrize(
    "text", [MUTATION, QUERY, f"{SUBSCRIPTION} {MUTATION}", f"# subscription\n{MUTATION}"]
)
def test_only_the_token_lets_other_operations_pass(site: Site, kind: str, text: str) -> None:
    for name in ({"operationName": "Change"}, {"operation_name": "Change"}, {}):
        with connected(site) as connection:
            payload = {"query": text, **name}
            answer = ask(connection, {"id": "1", "type": kind, "payload": payload})
            assert (answer["type"], answer["id"]) == ("error", "1")
            assert "open the address that ml-assets ui printed" in answer["payload"]["message"]
            assert is_open(connection)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        json.dumps([{"id": "1", "type": "start", "payload": {"query": MUTATION}}]),
        json.dumps({"id": "1", "type": "START", "payload": {"query": MUTATION}}),
        json.dumps({"id": "1", "type": "start", "payload": [MUTATION]}),
        json.dumps({"id": "1", "type": "start", "payload": {"query": "{"}}),
        json.dumps({"id": "1", "type": "start"}),
        json.dumps({"id": "1", "type": ["start"]}),
        json.dumps({"id": "1", "type": "start", "payload": {"query": MUTATION}}).encode(),
    ],
)
def test_message_that_is_no_subscription_is_refused(site: Site, message: str | bytes) -> None:
    with connected(site) as connection:
        assert ask(connection, message)["type"] == "error"
        assert is_open(connection)


@pytest.mark.parametrize("headers", [{}, BEARER])
def test_page_of_the_ui_subscribes(site: Site, headers: Mapping[str, str]) -> None:
    with connected(site, headers=headers) as connection:
        assert is_open(connection)
        connection.send(
            json.dumps({"id": "1", "type": "start", "payload": {"query": SUBSCRIPTION}})
        )
        assert is_open(connection)  # no error came in between
