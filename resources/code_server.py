"""The code server: the process of Dagster's that holds this one's definitions, and can reload them.

``dagster dev`` and ``dagster code-server start`` run the definitions in a child process and start
another one when they are asked to reload. A sensor runs in that child, so the code server is its
parent.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from dagster._grpc.client import DagsterGrpcClient

_TIMEOUT = 180  # seconds that loading the definitions may take


@dataclass(frozen=True)
class CodeServer:
    """Where a code server listens: at a socket, or at a port of a host."""

    socket: str | None
    host: str
    port: int | None

    def reload(self) -> threading.Thread:
        """Ask for a reload, and do not wait: this process ends when it is done."""
        thread = threading.Thread(target=self._reload, name="reload", daemon=True)
        thread.start()
        return thread

    def _reload(self) -> None:
        self._client().reload_code(timeout=_TIMEOUT)

    def _client(self) -> DagsterGrpcClient:
        from dagster._grpc.client import DagsterGrpcClient

        if self.socket is not None:
            return DagsterGrpcClient(socket=self.socket, host="localhost")
        return DagsterGrpcClient(port=self.port, host=self.host)


def find_code_server() -> CodeServer | None:
    """Find the code server that this process belongs to; None where it belongs to none."""
    try:
        parent = psutil.Process().parent()
        arguments = parent.cmdline() if parent is not None else []
    except psutil.Error:
        return None
    return parse_arguments(arguments)


def parse_arguments(arguments: list[str]) -> CodeServer | None:
    """Find out where a process listens, from its arguments; None if it is no code server."""
    if "code-server" not in arguments or "start" not in arguments:
        return None
    values = dict(zip(arguments, arguments[1:], strict=False))
    socket = values.get("--socket") or values.get("-s")
    port = values.get("--port") or values.get("-p")
    host = values.get("--host") or values.get("-h") or "localhost"
    if host == "0.0.0.0":  # nosec B104  # listens everywhere, so here as well
        host = "localhost"
    if socket is None and (port is None or not port.isdigit()):
        return None
    return CodeServer(socket, host, int(port) if port else None)
