"""The server process of ``ml-assets ui``: Dagster's web server behind the guard, and its daemon.

    python -P -c "from ml_assets.orchestration.web.server import main; main()" --port N ...

It does what ``dagster dev`` does, with the web server in the same process: that command starts
Dagster's web server without a guard. The access token comes on standard input, because other
processes see arguments and variables. The current directory is private to these processes and has
their sockets: a process that reaches the socket of the code server executes code in it.

This is no main module: each forked process would import that again.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import uvicorn
import yaml
from dagster import DagsterInstance, __version__
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import (
    ModuleTarget,
    WorkspaceFileTarget,
    WorkspaceLoadTarget,
)
from dagster._utils.interrupts import setup_interrupt_handlers
from dagster._utils.log import configure_loggers
from dagster_shared.serdes import serialize_value
from dagster_webserver.cli import (
    DEFAULT_DB_STATEMENT_TIMEOUT,
    DEFAULT_POOL_MAX_OVERFLOW,
    DEFAULT_POOL_RECYCLE,
)
from starlette.types import ASGIApp

from ml_assets.orchestration.instance.storage_lock import note_holder
from ml_assets.orchestration.web.access_token import AccessToken
from ml_assets.orchestration.web.fork_server import use_fork_server
from ml_assets.orchestration.web.guard import Guard
from ml_assets.orchestration.web.origins import find_origins
from ml_assets.orchestration.web.webserver import TokenWebserver

_DEFINITIONS = "ml_assets.definitions"
_STOP = 60.0  # seconds for the daemon to end
_LARGEST_MESSAGE = 1024 * 1024  # bytes of a websocket message

_log = logging.getLogger("dagster")


def main() -> None:
    """Serve until interrupted, or until the daemon ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--origin")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--storage", type=int)
    arguments = parser.parse_args()
    token = sys.stdin.readline().strip()
    setup_interrupt_handlers()
    configure_loggers()
    os.environ["DAGSTER_IS_DEV_CLI"] = "1"
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        instance = stack.enter_context(DagsterInstance.get())
        module = ModuleTarget(_DEFINITIONS, None, os.getcwd(), None)
        target: WorkspaceLoadTarget = module
        daemon: subprocess.Popen[bytes] | None = None
        if not arguments.read_only:
            target = stack.enter_context(_start_code_server(instance, module))
            daemon = stack.enter_context(_start_daemon(instance, target, arguments.storage))
        context = stack.enter_context(open_workspace(instance, target, arguments.read_only))
        app = build_app(context, arguments.port, arguments.origin, token)
        server = uvicorn.Server(configure(app, arguments.port))
        if daemon is not None:
            threading.Thread(target=_end_with, args=(daemon, server), daemon=True).start()
        server.run()


@contextmanager
def _start_code_server(
    instance: DagsterInstance, module: ModuleTarget
) -> Iterator[WorkspaceFileTarget]:
    """Start the code server, and restart it when it ends; yield where it is."""
    use_fork_server(Path.cwd())
    with ProxyServerManager(instance, module, code_server_log_level="warning") as servers:
        file = Path("workspace.yaml").absolute()
        file.write_text(yaml.safe_dump({"load_from": list(servers.get_code_server_specs())}))
        yield WorkspaceFileTarget([str(file)])


@contextmanager
def open_workspace(
    instance: DagsterInstance, target: WorkspaceLoadTarget, read_only: bool
) -> Iterator[WorkspaceProcessContext]:
    """Open what the web server shows."""
    instance.optimize_for_webserver(
        DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW
    )
    with WorkspaceProcessContext(
        instance,
        target,
        version=__version__,
        read_only=read_only,
        code_server_log_level="warning",
    ) as context:
        yield context


def build_app(context: WorkspaceProcessContext, port: int, origin: str | None, token: str) -> Guard:
    """Build the application: Dagster's, behind the guard.

    Args:
        origin: one more origin of the server.
    """
    access = AccessToken(token, port)
    dagster: ASGIApp = TokenWebserver(context, access).create_asgi_app()
    return Guard(dagster, find_origins(port, origin), access)


def configure(app: ASGIApp, port: int) -> uvicorn.Config:
    """Configure the server: no header moves it, and no log has an address with the token.

    ``h11`` refuses what other parsers let pass, such as two ``Host`` headers.
    """
    return uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        http="h11",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        ws_max_size=_LARGEST_MESSAGE,
        timeout_graceful_shutdown=3,
    )


@contextmanager
def _start_daemon(
    instance: DagsterInstance, target: WorkspaceFileTarget, storage: int | None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the daemon.

    Args:
        storage: the descriptor of the storage's lock, which the daemon holds until its own end.
    """
    daemon = subprocess.Popen(
        [sys.executable, "-P", "-m", "dagster._daemon", "run", "--log-level", "info"]
        + ["--code-server-log-level", "warning", "--workspace", *target.paths]
        + ["--instance-ref", serialize_value(instance.get_ref())],
        stdin=subprocess.DEVNULL,
        pass_fds=[] if storage is None else [storage],
    )
    if storage is not None:
        note_holder(storage, daemon.pid)
    try:
        yield daemon
    finally:
        daemon.terminate()
        try:
            daemon.wait(_STOP)
        except subprocess.TimeoutExpired:
            daemon.kill()


def _end_with(daemon: subprocess.Popen[bytes], server: uvicorn.Server) -> None:
    """End the server when the daemon ends by itself."""
    code = daemon.wait()
    if not server.should_exit:
        _log.error(f"the Dagster daemon ended with {code}")
        server.should_exit = True
