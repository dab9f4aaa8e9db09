"""The door of a shared process with secrets: a socket on which processes of Dagster connect to it.

1. The socket lies in a private directory, which is hidden from stages and gates.
2. A client names itself by a secret, which the processes of Dagster inherit as a variable. Stages
   and gates get no such variable, and the kernel shows them no variables of other processes.
3. Each client gets a process of its own, which ends with it. So one client cannot use what another
   has chosen.
4. When the first process ends, no new client is let in. Those that are in can finish.
"""

from __future__ import annotations

import hmac
import os
import secrets
import select
import shutil
import signal
import socket
from collections.abc import Callable
from typing import NoReturn

from ml_assets.signer.channel import receive, send
from resources.errors import UnavailableError
from security.sandbox.private_directory import create_private

#: The variables with the secret and the path of a socket: ``SECRET@PATH``.
ADDRESS_VARIABLE = "ML_ASSETS_SIGNER"
BROKER_VARIABLE = "ML_ASSETS_BROKER"
ADDRESSES = (ADDRESS_VARIABLE, BROKER_VARIABLE)
_PATIENCE = 10.0  # seconds that a client gets to name itself
_ANSWER = 60.0  # seconds that a client waits to be let in

#: Serves a client until it is gone.
Serve = Callable[[socket.socket], None]


class Door:
    """The listening socket. Create it before keys are hidden from the clients.

    Args:
        prefix: of the name of its private directory.

    Raises:
        OSError: there is no private directory.
    """

    def __init__(self, prefix: str) -> None:
        self._directory, self._lock = create_private(prefix)
        self._secret = secrets.token_urlsafe(32)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.fspath(self._directory / "socket"))
        self._listener.listen()

    @property
    def address(self) -> str:
        """What a client needs to connect."""
        return f"{self._secret}@{self._directory / 'socket'}"

    def close(self) -> None:
        """Close this process's copy of the socket and of the lock."""
        self._listener.close()
        os.close(self._lock)

    def attend(self, serve: Serve, lifeline: int) -> NoReturn:
        """Let clients in until the other end of a pipe is closed; for a process of its own."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
        code = 1
        try:
            waited = [self._listener.fileno(), lifeline]
            while lifeline not in select.select(waited, [], [])[0]:
                client, _ = self._listener.accept()
                if os.fork() == 0:
                    os.close(lifeline)
                    self.close()
                    self._admit(client, serve)
                client.close()
            code = 0
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)
            os._exit(code)

    def _admit(self, client: socket.socket, serve: Serve) -> NoReturn:
        code = 1
        try:
            client.settimeout(_PATIENCE)
            message = receive(client) or {}
            if hmac.compare_digest(str(message.get("secret")), self._secret):  # 2
                client.settimeout(None)
                send(client, {"answer": None})
                serve(client)  # 3
            code = 0
        finally:
            os._exit(code)


def connect(address: str, name: str) -> socket.socket:
    """Connect to a shared process.

    Args:
        name: of the process, for a message.

    Raises:
        UnavailableError: it is gone, or does not know the secret.
    """
    secret, _, path = address.partition("@")
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_ANSWER)
        connection.connect(path)
        send(connection, {"secret": secret})
        if receive(connection) is None:
            raise ConnectionResetError("refused")
        connection.settimeout(None)
    except (OSError, ValueError) as error:
        connection.close()
        raise UnavailableError(
            f"cannot connect to the {name}: {error}", "start the program again: ml-assets ui"
        ) from error
    return connection
