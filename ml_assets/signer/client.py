"""The client of the signer process."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from ml_assets.signer.channel import Message, read_error, receive, send, write_error
from ml_assets.signer.service import SignerService, SigningMethod
from resources.errors import ResourceError, UnavailableError
from security.errors import SecurityError
from security.signing.bundle import Bundle, parse_bundle
from security.signing.public_key import PublicKey, load_public_key


class SignerClient:
    """Asks the signer process. Safe for threads. Its methods are those of ``SignerService``.

    Raises:
        UnavailableError: the process is gone: nothing more can be signed.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._guard = threading.Lock()

    def seal(self, purpose: str, messages: Sequence[bytes]) -> list[bytes]:
        seals = self._ask("seal", purpose=purpose, messages=[_text(one) for one in messages])
        return [_bytes(one) for one in seals]

    def public_key(self) -> PublicKey | None:
        pem = self._ask("public_key")
        return None if pem is None else load_public_key(_bytes(pem))

    def born(self) -> float | None:
        born = self._ask("born")
        return None if born is None else float(born)

    def has_passphrase(self) -> bool:
        return bool(self._ask("has_passphrase"))

    def generate(self, passphrase: str | None = None) -> PublicKey:
        return load_public_key(_bytes(self._ask("generate", passphrase=passphrase)))

    def rotate(self, passphrase: str | None = None) -> tuple[PublicKey, PublicKey]:
        old, new = self._ask("rotate", passphrase=passphrase)
        return load_public_key(_bytes(old)), load_public_key(_bytes(new))

    def read_token_key(self, method: SigningMethod) -> PublicKey:
        return load_public_key(_bytes(self._ask("read_token_key", method=asdict(method))))

    def verify_token_key(self, method: SigningMethod) -> PublicKey:
        return load_public_key(_bytes(self._ask("verify_token_key", method=asdict(method))))

    def read_trusted_root(self, method: SigningMethod) -> bytes:
        return _bytes(self._ask("read_trusted_root", method=asdict(method)))

    def choose(self, method: SigningMethod) -> None:
        self._ask("choose", method=asdict(method))

    def open(self, method: SigningMethod) -> None:
        self._ask("open", method=asdict(method))

    def sign(self, payload: bytes) -> Bundle:
        return parse_bundle(_bytes(self._ask("sign", payload=_text(payload))))

    def _ask(self, request: str, **fields: Any) -> Any:
        try:
            with self._guard:
                send(self._connection, {"request": request, **fields})
                answer = receive(self._connection)
        except (OSError, ValueError) as error:
            raise _gone() from error
        if answer is None:
            raise _gone()
        if "error" in answer:
            raise read_error(answer)
        return answer["answer"]


def answer(service: SignerService, message: Message) -> Message:
    """Answer the message of a client."""
    handler = _HANDLERS.get(str(message.get("request")))
    if handler is None:
        return write_error(UnavailableError("unknown request", "report it as a bug of ml-assets"))
    try:
        return {"answer": handler(service, message)}
    except (ResourceError, SecurityError) as error:
        return write_error(error)
    except Exception as error:  # noqa: BLE001  # its message may quote a secret
        return write_error(
            UnavailableError(f"signer failed: {type(error).__name__}", "run the command again")
        )


def _gone() -> UnavailableError:
    return UnavailableError(
        "signer process ended: nothing more can be signed", "run the command again"
    )


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _pem(key: PublicKey | None) -> str | None:
    return None if key is None else _text(key.pem)


def _method(message: Message) -> SigningMethod:
    return SigningMethod(**message["method"])


_HANDLERS: dict[str, Callable[[SignerService, Message], Any]] = {
    "seal": lambda service, message: [
        _text(one)
        for one in service.seal(message["purpose"], [_bytes(one) for one in message["messages"]])
    ],
    "public_key": lambda service, _: _pem(service.public_key()),
    "born": lambda service, _: service.born(),
    "has_passphrase": lambda service, _: service.has_passphrase(),
    "generate": lambda service, message: _pem(service.generate(message["passphrase"])),
    "rotate": lambda service, message: [_pem(key) for key in service.rotate(message["passphrase"])],
    "read_token_key": lambda service, message: _pem(service.read_token_key(_method(message))),
    "verify_token_key": lambda service, message: _pem(service.verify_token_key(_method(message))),
    "read_trusted_root": lambda service, message: _text(
        service.read_trusted_root(_method(message))
    ),
    "choose": lambda service, message: service.choose(_method(message)),
    "open": lambda service, message: service.open(_method(message)),
    "sign": lambda service, message: _text(service.sign(_bytes(message["payload"])).content),
}
