"""The server: the private Sigstore's services, on a free port of loopback."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from tests.private_sigstore.behaviour import Behaviour
from tests.private_sigstore.fulcio import Fulcio
from tests.private_sigstore.oidc import JOB, WORKFLOW, IdentityProvider
from tests.private_sigstore.rekor import Rekor
from tests.private_sigstore.timestamp_authority import TimestampAuthority
from tests.private_sigstore.trust_configuration import STAMP_PATH, TrustConfiguration

#: What a job shows to get its token.
REQUEST_TOKEN = "request-token-of-the-job"
AMBIENT_PATH = "/ambient"
FULCIO_PATH = "/api/v2/signingCert"
REKOR_V1_PATH = "/api/v1/log/entries"
REKOR_V2_PATH = "/api/v2/log/entries"
_JSON = "application/json"


class RefusedRequestError(Exception):
    """A request gets another status than success."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class PrivateSigstore:
    """The services, for as long as it is entered.

    Attributes:
        fail: paths that answer 503.
        behaviour: what else they do otherwise than they should.
    """

    def __init__(self, port: int = 0) -> None:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._origin = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self._origin}"
        self.fail: set[str] = set()
        self.behaviour = Behaviour()
        self.provider = IdentityProvider(self.url)
        self.fulcio = Fulcio(self.provider)
        self.rekor = Rekor(self._origin)
        self.stamps = TimestampAuthority()
        self.trust = TrustConfiguration(self.url, self.fulcio, self.rekor, self.stamps)

    def __enter__(self) -> PrivateSigstore:
        """Start serving."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def restore(self) -> None:
        """End all faults."""
        self.behaviour, self.fail = Behaviour(), set()

    def token(self, subject: str = WORKFLOW, seconds: int = 600, **claims: Any) -> str:
        """Give out a token for somebody."""
        return self.provider.issue(seconds, sub=subject, **claims)

    def trusted_root(self) -> dict[str, Any]:
        """Return Sigstore's trusted root of these services."""
        return self.trust.trusted_root()

    def trust_configuration(self, rekor: int = 1, *, stamps: bool | None = None) -> dict[str, Any]:
        """Return Sigstore's client trust configuration of these services."""
        return self.trust.client(rekor, stamps=stamps)

    def job_environment(self) -> dict[str, str]:
        """Return the variables by which a job of GitHub Actions gets at its token."""
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}{AMBIENT_PATH}?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST_TOKEN,
        }

    def get(self, path: str, headers: Message) -> bytes:
        """Answer a GET."""
        self._refuse_failing(path)
        if path.startswith("/.well-known/openid-configuration"):
            return _write(self.provider.configuration())
        if path.startswith(AMBIENT_PATH):
            if _bearer(headers) != REQUEST_TOKEN:
                raise RefusedRequestError(401)
            claims = {**JOB, **(self.behaviour.claims or {})}
            self.behaviour.last_token = self.provider.issue(**claims)
            return _write({"value": self.behaviour.last_token})
        raise RefusedRequestError(404)

    def post(self, path: str, body: bytes, headers: Message) -> bytes:
        """Answer a POST."""
        self._refuse_failing(path)
        time.sleep(self.behaviour.silence)
        if path == FULCIO_PATH:
            return _write(self.fulcio.issue(json.loads(body), _bearer(headers), self.behaviour))
        if path == REKOR_V1_PATH:
            return _write(self.rekor.add_v1(json.loads(body), self.behaviour))
        if path == REKOR_V2_PATH:
            return _write(self.rekor.add_v2(json.loads(body)))
        if path == STAMP_PATH:
            return self.stamps.stamp(body, self.behaviour)
        raise RefusedRequestError(404)

    def _refuse_failing(self, path: str) -> None:
        if path.split("?")[0] in self.fail:
            raise RefusedRequestError(503)


class _Handler(BaseHTTPRequestHandler):
    owner: ClassVar[PrivateSigstore]
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: without it each waits 40 ms for the other side

    def do_GET(self) -> None:
        try:
            self._answer(200, self.owner.get(self.path, self.headers))
        except RefusedRequestError as error:
            self._answer(error.status, _write({"code": error.status, "message": "refused"}))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        try:
            self._answer(201, self.owner.post(self.path, body, self.headers))
        except RefusedRequestError as error:
            self._answer(error.status, _write({"code": error.status, "message": "refused"}))
        except Exception as error:  # whatever is wrong with a request, as the real ones answer
            self._answer(400, _write({"code": 3, "message": type(error).__name__}))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", _JSON)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who asked does not wait any more
            self.wfile.write(body)
            self.wfile.flush()


def _bearer(headers: Message) -> str:
    kind, _, secret = headers.get("Authorization", "").partition(" ")
    return secret if kind.lower() == "bearer" else ""


def _write(value: object) -> bytes:
    return json.dumps(value).encode("utf-8")
