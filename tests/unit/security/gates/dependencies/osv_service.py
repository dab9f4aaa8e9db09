"""An HTTP server on loopback that answers queries as OSV's API does, and can misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class OsvService:
    """The server, for as long as it is entered.

    Attributes:
        records: by name and version of the package, what is known of it.
        status: of every answer.
        body: in place of every answer's.
        asked: name and version of each query, in order.
    """

    def __init__(self, records: Mapping[tuple[str, str], list[dict[str, Any]]]) -> None:
        self.records = dict(records)
        self.status = 200
        self.body: bytes | None = None
        self.asked: list[tuple[str, str]] = []
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Return the address of its queries."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1/query"

    def __enter__(self) -> OsvService:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, query: dict[str, Any]) -> bytes:
        """Return the body for a query."""
        asked = (query["package"]["name"], query["version"])
        self.asked.append(asked)
        if self.body is not None:
            return self.body
        known = self.records.get(asked)
        return json.dumps({"vulns": known} if known else {}).encode()


class _Handler(BaseHTTPRequestHandler):
    owner: OsvService

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known_path = self.path == "/v1/query"
        body = self.owner.answer(query) if known_path else b"{}"
        self.send_response(self.owner.status if known_path else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
