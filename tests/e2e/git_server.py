"""A Git server: repositories over HTTP on 127.0.0.1, for whoever knows the password."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit


class GitServer:
    """Serves the repositories of a directory by Git's own program for that."""

    def __init__(self, root: Path, user: str, password: str) -> None:
        wanted = base64.b64encode(f"{user}:{password}".encode()).decode()

        class Handler(_Handler):
            directory = root
            authorization = f"Basic {wanted}"

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    def stop(self) -> None:
        """End it: from now on nobody answers."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    directory: Path
    authorization: str

    def do_GET(self) -> None:  # noqa: N802  # a name of the library's
        """Answer."""
        self._answer(b"")

    def do_POST(self) -> None:  # noqa: N802  # a name of the library's
        """Answer."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            self._answer(self._read_chunks())
        else:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, body: bytes) -> None:
        if self.headers.get("Authorization") != self.authorization:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        url = urlsplit(self.path)
        git = shutil.which("git")
        assert git is not None
        done = subprocess.run(
            [git, "http-backend"],
            input=body,
            capture_output=True,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.directory),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REMOTE_USER": "somebody",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": url.path,
                "QUERY_STRING": url.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")]
        status = next((value for name, value in fields if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # the library's
        """Say nothing."""
