"""A store of objects behind HTTP on this machine: with a password, and with a way to die."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class HttpStore(ThreadingHTTPServer):
    """Serves a directory.

    Args:
        credentials: ``user:password`` that each request has to bring; None asks for none.
        lives: for so many files; in the middle of the next it dies, and refuses from then on.
    """

    daemon_threads = True

    def __init__(
        self, directory: Path, credentials: str | None = None, lives: int | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.directory = directory
        self.credentials = credentials
        self.lives = lives
        self.served: list[str] = []
        self.guard = threading.Lock()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def dies(self) -> bool:
        """Whether this request is its last, or comes after that."""
        with self.guard:
            if self.lives is None:
                return False
            self.lives -= 1
            return self.lives < 0


class _Handler(BaseHTTPRequestHandler):
    server: HttpStore

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        wanted = self.server.credentials
        given = self.headers.get("Authorization", "")
        if wanted and given != f"Basic {base64.b64encode(wanted.encode()).decode()}":
            self.send_error(401)
            return
        file = self.server.directory / self.path.strip("/")
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        dies = body and self.server.dies()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content[: len(content) // 2] if dies else content)
            self.server.served.append(self.path)
        if dies:
            self.close_connection = True
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serve(
    directory: Path, credentials: str | None = None, lives: int | None = None
) -> Iterator[HttpStore]:
    """Serve a directory while the block runs."""
    store = HttpStore(directory, credentials, lives)
    thread = threading.Thread(target=store.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        store.server_close()
        thread.join()
