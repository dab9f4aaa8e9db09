"""The site under attack: Dagster's web server behind the guard, on loopback, in a thread."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import uvicorn
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from starlette.types import ASGIApp

from ml_assets.orchestration.web.access_token import AccessToken
from ml_assets.orchestration.web.server import build_app, configure, open_workspace
from ml_assets.orchestration.web.webserver import TokenWebserver
from tests.e2e.server import free_port, wait_until

TOKEN = "a-token-of-the-tests-that-is-long-enough"
PUBLIC = "https://ui.example.org"
#: Changes Dagster's storage; `Site.is_changed` sees it.
MUTATION = (
    "mutation Change { reportRunlessAssetEvents(eventParams: {eventType: ASSET_MATERIALIZATION,"
    ' assetKey: {path: ["planted"]}}) { __typename } }'
)
QUERY = "query Look { version }"
JSON = {"Content-Type": "application/json"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True)
class Answer:
    """The answer to a request.

    Attributes:
        headers: with names in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> str:
        """The first GraphQL error, as the UI shows it."""
        return str(json.loads(self.body)["errors"][0]["message"])


@dataclass(frozen=True)
class Site:
    """A running web server."""

    port: int
    instance: dg.DagsterInstance

    @property
    def origin(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def is_changed(self) -> bool:
        """Whether an attack has changed Dagster's storage; forgets the change."""
        key = dg.AssetKey("planted")
        events = self.instance.fetch_materializations(key, limit=1).records
        self.instance.wipe_assets([key])
        return bool(events)

    def send(
        self,
        target: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes = b"",
    ) -> Answer:
        """Send one request, with no header that is not given, but `Host`."""
        lines = [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        host = [] if "Host" in (headers or {}) else [f"Host: 127.0.0.1:{self.port}"]
        return self.send_bytes(
            "\r\n".join([f"{method} {target} HTTP/1.1", *host, *lines, "", ""]).encode() + body
        )

    def send_bytes(self, request: bytes) -> Answer:
        """Send the bytes of a request."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            response = HTTPResponse(connection, method=request.split(b" ", 1)[0].decode())
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())

    def post(self, text: str, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        """Send a GraphQL document as the UI does."""
        body = json.dumps({"query": text, **more}).encode()
        return self.send("/graphql", {**JSON, **(headers or {})}, method="POST", body=body)

    def get(self, text: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a GraphQL document by GET."""
        return self.send(f"/graphql?query={quote(text)}", headers)


@contextmanager
def serve_site(directory: Path, *, is_guarded: bool = True) -> Iterator[Site]:
    """Serve an instance without definitions."""
    port = free_port()
    with dg.DagsterInstance.local_temp(str(directory)) as instance:
        with open_workspace(instance, EmptyWorkspaceTarget(), False) as context:
            app: ASGIApp = build_app(context, port, PUBLIC, TOKEN)
            if not is_guarded:
                app = TokenWebserver(context, AccessToken(TOKEN, port)).create_asgi_app()
            server = uvicorn.Server(configure(app, port))
            thread = threading.Thread(target=server.run)
            thread.start()
            try:
                wait_until(lambda: server.started, "a started server")
                yield Site(port, instance)
            finally:
                server.should_exit = True
                thread.join()
