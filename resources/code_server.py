"""The code server: the Dagster process that serves the definitions and can reload them.

``dagster dev`` and ``dagster code-server start`` load the definitions in a child process, and
replace that process on a reload. A sensor runs in the child, so the code server is its parent. In
``ml-assets ui`` the child is forked from another process, and a variable names the code server.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from dagster._grpc.client import DagsterGrpcClient

#: The variable with the socket of the code server, for its children.
SOCKET_VARIABLE = "ML_ASSETS_CODE_SERVER"
_TIMEOUT = 180  # seconds that loading the definitions may take


@dataclass(frozen=True)
class CodeServer:
    """The address of a code server: a socket, or a port of a host."""

    socket: str | None
    host: str
    port: int | None

    def reload(self) -> threading.Thread:
        """Request a reload without waiting for it: the reload ends this process.

        A request that the server has not answered yet stands for this one: on a busy machine,
        each further load of the definitions would delay the first.
        """
        thread = _requests.get(self)
        if thread is None or not thread.is_alive():
            thread = threading.Thread(target=self._reload, name="reload", daemon=True)
            _requests[self] = thread
            thread.start()
        return thread

    def _reload(self) -> None:
        self._client().reload_code(timeout=_TIMEOUT)

    def _client(self) -> DagsterGrpcClient:
        from dagster._grpc.client import DagsterGrpcClient

        if self.socket is not None:
            return DagsterGrpcClient(socket=self.socket, host="localhost")
        return DagsterGrpcClient(port=self.port, host=self.host)


#: The last request of this process to each server.
_requests: dict[CodeServer, threading.Thread] = {}


def find_code_server() -> CodeServer | None:
    """Find the code server of this process; None without one."""
    socket = os.environ.get(SOCKET_VARIABLE)
    if socket:
        return CodeServer(socket, "localhost", None)
    try:
        parent = psutil.Process().parent()
        arguments = parent.cmdline() if parent is not None else []
    except psutil.Error:
        return None
    return parse_arguments(arguments)


def parse_arguments(arguments: list[str]) -> CodeServer | None:
    """Parse the arguments of a process into an address; None if it is not a code server."""
    if "code-server" not in arguments or "start" not in arguments:
        return None
    values = dict(zip(arguments, arguments[1:], strict=False))
    socket = values.get("--socket") or values.get("-s")
    port = values.get("--port") or values.get("-p")
    host = values.get("--host") or values.get("-h") or "localhost"
    if host == "0.0.0.0":  # nosec B104  # all interfaces include this one
        host = "localhost"
    if socket is None and (port is None or not port.isdigit()):
        return None
    return CodeServer(socket, host, int(port) if port else None)
