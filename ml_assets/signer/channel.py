"""The channel between the signer process and its clients: JSON messages on a stream socket.

A message is its length in bytes (four bytes, big-endian) and one JSON object. Bytes are base64
texts. An error is sent as the name of its class, its message and its hint.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

from resources.errors import ConfigurationError, ResourceError, UnavailableError
from security.errors import SecurityError
from security.signing.public_key import PublicKeyError, SignatureError
from security.statements.statement import StatementError

Message = Mapping[str, Any]

_LENGTH = struct.Struct(">I")
_LONGEST = 1 << 28  # bytes of a message
_ERRORS: dict[str, type[ResourceError] | type[SecurityError]] = {
    one.__name__: one
    for one in (
        ConfigurationError,
        PublicKeyError,
        SignatureError,
        StatementError,
        UnavailableError,
    )
}


def send(connection: socket.socket, message: Message) -> None:
    """Send a message.

    Raises:
        OSError: the other side is gone.
    """
    content = json.dumps(message).encode()
    connection.sendall(_LENGTH.pack(len(content)) + content)


def receive(connection: socket.socket) -> Message | None:
    """Receive a message; None if the other side is gone.

    Raises:
        OSError, ValueError: the other side sends something else.
    """
    head = _read(connection, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > _LONGEST:
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
