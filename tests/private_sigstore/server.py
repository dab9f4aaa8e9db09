"""The server: all services of the private Sigstore on one port of 127.0.0.1."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.private_sigstore.authority import (
    MINUTES,
    Authority,
    base64_text,
    new_key,
    now,
    public_bytes,
)
from tests.private_sigstore.transparency_log import TransparencyLog

WORKFLOW = "https://github.com/acme/model/.github/workflows/train.yml@refs/heads/main"
REQUEST_TOKEN = "request-token-of-the-job"


class PrivateSigstore:
    """Issues tokens, certifies keys, keeps a log. A context manager."""

    def __init__(self) -> None:
        """Listen on a free port; `fail` makes a path fail."""
        self.fail: set[str] = set()
        self.seen: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.authority = Authority()
        self.log = TransparencyLog(f"127.0.0.1:{self._server.server_port}")
        self._issuer_key = new_key()
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "PrivateSigstore":
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def token(self, subject: str = WORKFLOW, seconds: int = 600, **claims: Any) -> str:
        """A token for somebody."""
        at = int(now().timestamp())
        said = {"iss": self.url, "sub": subject, "aud": "sigstore", "iat": at - 5, "nbf": at - 5}
        return jwt.encode(
            {**said, "exp": at + seconds, **claims}, self._issuer_key, algorithm="ES256"
        )

    def answer(self, path: str, body: bytes, authorization: str) -> dict[str, Any]:
        """Answer a request."""
        self.seen.append(path)
        if path in self.fail:
            raise ConnectionError("told to fail")
        if path == "/.well-known/openid-configuration":
            places = {"authorization_endpoint": "/auth", "token_endpoint": "/token"}
            return {"issuer": self.url, **{k: self.url + v for k, v in places.items()}}
        if path.startswith("/ambient"):
            if authorization != f"bearer {REQUEST_TOKEN}":
                raise PermissionError("another request token")
            return {"value": self.token(runner_environment="github-hosted")}
        if path == "/api/v2/signingCert":
            return self._certify(json.loads(body), authorization)
        if path == "/api/v1/log/entries":
            return self.log.add(json.loads(body))
        raise LookupError(path)

    def _certify(self, request: dict[str, Any], authorization: str) -> dict[str, Any]:
        token = authorization.removeprefix("Bearer ")
        claims = jwt.decode(
            token,
            self._issuer_key.public_key(),
            algorithms=["ES256"],
            audience="sigstore",
            issuer=self.url,
        )
        wanted = base64.b64decode(request["certificateSigningRequest"])
        signing_request = x509.load_pem_x509_csr(wanted)
        assert signing_request.is_signature_valid
        certificate = self.authority.certify(signing_request.public_key(), claims)
        chain = [
            one.public_bytes(Encoding.PEM).decode() for one in (certificate, self.authority.root)
        ]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}

    def trusted_root(self) -> dict[str, Any]:
        """Sigstore's trusted root of these services."""
        valid = {"start": (now() - 10 * MINUTES).strftime("%Y-%m-%dT%H:%M:%SZ")}

        def log(key: Any, url: str) -> dict[str, Any]:
            identifier = base64_text(_digest(public_bytes(key)))
            return {
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": base64_text(public_bytes(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": valid,
                },
                "logId": {"keyId": identifier},
            }

        root = base64_text(self.authority.root.public_bytes(Encoding.DER))
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.log.key, self.url)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "test", "commonName": "private"},
                    "uri": self.url,
                    "certChain": {"certificates": [{"rawBytes": root}]},
                    "validFor": valid,
                }
            ],
            "ctlogs": [log(self.authority.log_key, f"{self.url}/ct")],
            "timestampAuthorities": [],
        }

    def trust_configuration(self) -> dict[str, Any]:
        """Sigstore's client trust configuration of these services."""
        valid = {"start": (now() - 10 * MINUTES).strftime("%Y-%m-%dT%H:%M:%SZ")}
        service = {"url": self.url, "majorApiVersion": 1, "validFor": valid, "operator": "test"}
        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": self.trusted_root(),
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": [service],
                "oidcUrls": [service],
                "rekorTlogUrls": [service],
                "tsaUrls": [],
                "rekorTlogConfig": {"selector": "ANY"},
                "tsaConfig": {"selector": "ANY"},
            },
        }


def _digest(content: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(content).digest()


def _handler(sigstore: PrivateSigstore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("content-length", 0))))

        def _answer(self, body: bytes) -> None:
            try:
                said = sigstore.answer(
                    self.path.split("?")[0], body, self.headers.get("authorization", "")
                )
                code = 201 if self.command == "POST" else 200
            except Exception as error:  # an answer of the server, whatever it is
                code, said = 400, {"code": 3, "message": type(error).__name__}
            content = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
