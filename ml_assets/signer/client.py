"""The client of the signer process."""

from __future__ import annotations

import base64
import socket
from collections.abc import Sequence
from dataclasses import asdict

from ml_assets.signer.channel import Handlers, Message, Peer
from ml_assets.signer.service import SignerService, SigningMethod
from security.signing.bundle import Bundle, parse_bundle
from security.signing.public_key import PublicKey, load_public_key


class SignerClient:
    """Asks the signer process. Safe for threads. Its methods are those of ``SignerService``.

    Raises:
        UnavailableError: the process is gone: nothing more can be signed.
    """

    def __init__(self, connection: socket.socket) -> None:
        peer = Peer(connection, "signer process ended: nothing more can be signed")
        self._ask = peer.ask

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

    def generate(self, *, prompts: bool = False) -> PublicKey:
        return load_public_key(_bytes(self._ask("generate", prompts=prompts)))

    def rotate(self, *, prompts: bool = False) -> tuple[PublicKey, PublicKey]:
        old, new = self._ask("rotate", prompts=prompts)
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


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _pem(key: PublicKey | None) -> str | None:
    return None if key is None else _text(key.pem)


def _method(message: Message) -> SigningMethod:
    return SigningMethod(**message["method"])


def build_handlers(service: SignerService) -> Handlers:
    """Return what a signer does for its clients."""
    return {
        "seal": lambda message: [
            _text(one)
            for one in service.seal(
                message["purpose"], [_bytes(one) for one in message["messages"]]
            )
        ],
        "public_key": lambda _: _pem(service.public_key()),
        "born": lambda _: service.born(),
        "has_passphrase": lambda _: service.has_passphrase(),
        "generate": lambda message: _pem(service.generate(prompts=bool(message["prompts"]))),
        "rotate": lambda message: [
            _pem(key) for key in service.rotate(prompts=bool(message["prompts"]))
        ],
        "read_token_key": lambda message: _pem(service.read_token_key(_method(message))),
        "verify_token_key": lambda message: _pem(service.verify_token_key(_method(message))),
        "read_trusted_root": lambda message: _text(service.read_trusted_root(_method(message))),
        "choose": lambda message: service.choose(_method(message)),
        "open": lambda message: service.open(_method(message)),
        "sign": lambda message: _text(service.sign(_bytes(message["payload"])).content),
    }
