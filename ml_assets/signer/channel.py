"""The channel between a process with secrets and its clients: JSON messages on a stream socket.

A message is its length in bytes (four bytes, big-endian) and one JSON object. Bytes are base64
texts. An error is sent as the name of its class, its message and its hint.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any

from resources.errors import (
    ConfigurationError,
    CorruptObjectError,
    LostRaceError,
    MissingInputError,
    ResourceError,
    UnavailableError,
)
from security.errors import SecurityError
from security.signing.public_key import PublicKeyError, SignatureError
from security.statements.statement import StatementError

Message = Mapping[str, Any]
#: What a process does for its clients, by the name of the request.
Handlers = Mapping[str, Callable[[Message], Any]]

_LENGTH = struct.Struct(">I")
_LONGEST = 1 << 28  # bytes of a message
_ERRORS: dict[str, type[ResourceError] | type[SecurityError]] = {
    one.__name__: one
    for one in (
        ConfigurationError,
        CorruptObjectError,
        LostRaceError,
        MissingInputError,
        PublicKeyError,
        SignatureError,
        StatementError,
        UnavailableError,
    )
}


class Peer:
    """The other side of a client's connection. Safe for threads.

    Args:
        gone: the message where it is gone.
    """

    def __init__(self, connection: socket.socket, gone: str) -> None:
        self._connection = connection
        self._gone = gone
        self._guard = threading.Lock()

    def ask(self, request: str, **fields: Any) -> Any:
        """Send a request, and return the answer.

        Raises:
            UnavailableError: the other side is gone.
            ResourceError, SecurityError: the other side refuses.
        """
        try:
            with self._guard:
                send(self._connection, {"request": request, **fields})
                message = receive(self._connection)
        except (OSError, ValueError) as error:
            raise UnavailableError(self._gone, "run the command again") from error
        if message is None:
            raise UnavailableError(self._gone, "run the command again")
        if "error" in message:
            raise read_error(message)
        return message["answer"]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def answer(handlers: Handlers, message: Message) -> Message:
    """Answer the message of a client."""
    handler = handlers.get(str(message.get("request")))
    if handler is None:
        return write_error(UnavailableError("unknown request", "report it as a bug of ml-assets"))
    try:
        return {"answer": handler(message)}
    except (ResourceError, SecurityError) as error:
        return write_error(error)
    except Exception as error:  # noqa: BLE001  # its message may quote a secret
        return write_error(
            UnavailableError(f"request failed: {type(error).__name__}", "run the command again")
        )


def send(connection: socket.socket, message: Message) -> None:
    """Send a message.

    Raises:
        OSError: the other side is gone.
    """
    content = json.dumps(message).encode()
    connection.sendall(_LENGTH.pack(len(content)) + content)


def receive(connection: socket.socket, longest: int = _LONGEST) -> Message | None:
    """Receive a message; None if the other side is gone.

    Args:
        longest: bytes of a message.

    Raises:
        OSError, ValueError: the other side sends something else.
    """
    head = _read(connection, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > longest:
        raise ValueError(f"message of {length} bytes")
    content = _read(connection, length)
    message = json.loads(content) if content is not None else None
    if not isinstance(message, dict):
        raise ValueError("not a message")
    return message


def write_error(error: ResourceError | SecurityError) -> Message:
    """Return the message of an error."""
    return {"error": type(error).__name__, "message": error.message, "hint": error.hint}


def read_error(message: Message) -> ResourceError | SecurityError:
    """Return the error of a message."""
    kind = _ERRORS.get(str(message["error"]), UnavailableError)
    return kind(str(message["message"]), str(message["hint"]))


def _read(connection: socket.socket, length: int) -> bytes | None:
    content = bytearray()
    while len(content) < length:
        part = connection.recv(min(length - len(content), 1 << 20))
        if not part:
            return None
        content += part
    return bytes(content)
