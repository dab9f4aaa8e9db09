"""The host of an attacker: asks for a password, and keeps what it gets."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER, PASSWORD = "joe", "open-sesame-4711"


class Stranger(ThreadingHTTPServer):
    """Answers every request with a question for a password.

    Attributes:
        got: the headers of all requests.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asking)
        self.got: list[str] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def secrets(self) -> list[str]:
        """The requests that hold the user's password."""
        coded = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return [text for text in self.got if PASSWORD in text or coded in text]


class _Asking(BaseHTTPRequestHandler):
    server: Stranger

    def _answer(self) -> None:
        self.server.got.append(f"{self.path}\n{self.headers}")
        self.send_response(404 if "Authorization" in self.headers else 401)
        self.send_header("WWW-Authenticate", "Basic realm=x")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_POST = do_PUT = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def listen() -> Iterator[Stranger]:
    """Wait for requests while the block runs."""
    server = Stranger()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
