"""An HTTP server on loopback that serves an archive as OSV's bucket does, and can misbehave."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass
class Behaviour:
    """What the server does next.

    Attributes:
        cut: bytes of the body after which each of the next answers stops; then it is whole.
        etag: with its quotation marks; empty for none.
        ranges: whether it answers a Range with a part.
        statuses: codes that the next answers have in place of a body.
        checksum: a promise in place of the true one; None for none at all.
        location: where it redirects to.
        drip: seconds of pause after each 1 KiB.
        chunked: without a length.
        shift: bytes by which a part begins at another place than asked for.
    """

    content: bytes = b""
    cut: list[int] = field(default_factory=list)
    etag: str = '"one"'
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    checksum: str | None = "true"
    header: str = "x-goog-hash"
    location: str = ""
    drip: float = 0.0
    chunked: bool = False
    shift: int = 0


@dataclass
class Asked:
    """One request as it came."""

    path: str
    range: str
    if_range: str
    if_none_match: str
    status: int = 0
    sent: int = 0


class BulkServer:
    """The server, for as long as it is entered."""

    def __init__(self, content: bytes) -> None:
        self.behaviour = Behaviour(content)
        self.asked: list[Asked] = []
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def address(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def url(self, path: str = "/PyPI/all.zip") -> str:
        """Return the address of the archive."""
        return self.address + path

    def __enter__(self) -> BulkServer:
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


class _Handler(BaseHTTPRequestHandler):
    owner: BulkServer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        asks = self.headers.get
        asked = Asked(
            self.path,
            asks("Range", ""),
            asks("If-Range", ""),
            asks("If-None-Match", ""),
        )
        self.owner.asked.append(asked)
        now = self.owner.behaviour
        if now.location and self.path != "/redirected.zip":
            return self._answer(asked, 302, {"Location": now.location}, b"")
        if now.statuses:
            return self._answer(asked, now.statuses.pop(0), {}, b"")
        if now.etag and asked.if_none_match == now.etag:
            return self._answer(asked, 304, {}, b"")
        place = re.fullmatch(r"bytes=(\d+)-", asked.range)
        if place and now.ranges and asked.if_range == now.etag:
            start = int(place[1])
            if start >= len(now.content):
                return self._answer(asked, 416, {}, b"")
            start += now.shift
            span = f"bytes {start}-{len(now.content) - 1}/{len(now.content)}"
            return self._send(asked, 206, {"Content-Range": span}, now.content[start:])
        return self._send(asked, 200, {}, now.content)

    def _send(self, asked: Asked, status: int, headers: dict[str, str], body: bytes) -> None:
        now = self.owner.behaviour
        if now.etag:
            headers["ETag"] = now.etag
        if now.checksum is not None:
            headers[now.header] = self._checksum()
        self._answer(asked, status, headers, body)

    def _checksum(self) -> str:
        now = self.owner.behaviour
        content = now.content if now.checksum == "true" else (now.checksum or "").encode()
        if now.header == "Repr-Digest":
            return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        return f"crc32c=AAAAAA==,md5={base64.b64encode(md5).decode()}"

    def _answer(self, asked: Asked, status: int, headers: dict[str, str], body: bytes) -> None:
        now = self.owner.behaviour
        asked.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304 and not now.chunked:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if now.cut and status in (200, 206):
            body = body[: now.cut.pop(0)]
        try:
            for start in range(0, len(body), 1024):
                asked.sent += len(body[start : start + 1024])
                self.wfile.write(body[start : start + 1024])
                if now.drip:
                    self.wfile.flush()
                    time.sleep(now.drip)
        except OSError:
            pass  # the other side has hung up
        self.close_connection = True
