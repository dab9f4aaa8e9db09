"""The fork server of the UI: code servers and runs start with all modules imported.

Dagster starts a new interpreter for the code server, for each load of the definitions and for each
run. Each one imports the same modules for two seconds. Here they are forked from one process, which
has imported these modules and nothing else: it has read no graph and runs one thread.

``multiprocessing`` owns the fork server. Its socket is in the private directory of the UI, like the
sockets of the code servers. It ends with the last process that can use it.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import connection, forkserver, process
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, ClassVar

from dagster._cli import main as run_dagster
from dagster._grpc import server as grpc_server

from resources.code_server import SOCKET_VARIABLE, parse_arguments

#: What each of these processes imports. The definitions and the sensors stand above this package,
#: and Dagster and DVC import their storage and their graph on first use.
_MODULES = [
    "ml_assets.orchestration.web.fork_server",
    "ml_assets.definitions",
    "sensors.branch_sensor",
    "alembic.context",
    "dagster._cli.api",
    "dagster._core.instance.factory",
    "dagster._core.run_coordinator",
    "dagster._core.storage.legacy_storage",
    "dagster._core.storage.runs",
    "dagster._core.storage.root",
    "dagster._core.storage.schedules",
    "dagster._core.storage.sqlite_storage",
    "dagster._grpc.proxy_server",
    "dvc.cachemgr",
    "dvc.repo.graph",
    "dvc.repo.index",
    "dvc.repo.stage",
    "ml_assets.orchestration.instance.event_log",
    "ml_assets.orchestration.instance.launcher",
    "ml_assets.orchestration.instance.stage_log",
    "networkx",
    "resources.dvc.graph.reader",
    "structlog.dev",
    "upath.implementations.local",
]


class ForkedProcess(ForkServerProcess):
    """A forked process, with the variables of the process that starts it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Prepare the process."""
        super().__init__(*arguments, **options)
        self.variables = dict(os.environ)

    def run(self) -> None:
        """Run the target, in the forked process."""
        own: Any = forkserver._forkserver
        own.ensure_running = lambda: None  # share the fork server: do not start another one
        gc.freeze()  # a collection would look at all modules, and copy their pages
        os.environ.clear()
        os.environ.update(self.variables)
        super().run()


class ForkContext(ForkServerContext):
    """A context of ``multiprocessing`` that forks each process from the fork server."""

    Process: ClassVar[Any] = ForkedProcess


class DagsterCommand:
    """A forked ``dagster`` command, with the methods of ``subprocess.Popen`` that Dagster calls."""

    def __init__(self, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
        """Start the command.

        Args:
            arguments: the command line of the interpreter: ``python -m dagster ...``.
        """
        words = list(arguments[arguments.index("dagster") :])
        self._lock = threading.Lock()  # several threads of Dagster wait for one process
        self._process = ForkedProcess(target=_execute, args=(words,))
        self._process.variables = dict(variables)
        forkserver.set_forkserver_preload(_MODULES)
        self._process.start()
        # Otherwise the end of this process waits for that one, and a code server for its runs.
        process._children.discard(self._process)  # type: ignore[attr-defined]  # private

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code; None while the process runs."""
        return self.poll()

    def poll(self) -> int | None:
        """Return the exit code; None while the process runs."""
        with self._lock:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit code.

        Raises:
            subprocess.TimeoutExpired: the process still runs.
        """
        connection.wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()


class ForkingApiServer(grpc_server.DagsterApiServer):
    """Dagster's server of definitions, which forks its runs."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Start the server."""
        super().__init__(*arguments, **options)
        context: Any = ForkContext()
        self._mp_ctx = context  # instead of "spawn"


def use_fork_server(directory: Path | None = None) -> None:
    """Let Dagster fork the code servers and runs that this process starts.

    Args:
        directory: where the socket of a fork server of this process is (default: a temporary one).
    """
    if directory is not None:
        own: Any = process.current_process()
        own._config["tempdir"] = str(directory)
    dagster: Any = grpc_server
    dagster.open_ipc_subprocess = _open
    dagster.DagsterApiServer = ForkingApiServer


def _open(
    arguments: Sequence[str], env: Mapping[str, str], cwd: str | None = None
) -> DagsterCommand:
    if cwd is not None:
        raise ValueError(f"a forked process has the directory of the fork server: {cwd}")
    return DagsterCommand(arguments, env)


def _execute(words: Sequence[str]) -> None:
    """Execute a ``dagster`` command, in the forked process."""
    sys.argv = list(words)
    code_server = parse_arguments(sys.argv)
    if code_server is not None and code_server.socket is not None:
        os.environ[SOCKET_VARIABLE] = code_server.socket  # for the sensors in its child
    name = "code-server" if code_server is not None else "definitions"
    with suppress(OSError):  # the command line is that of the fork server
        Path("/proc/self/comm").write_text(name)
    use_fork_server()
    run_dagster()  # type: ignore[no-untyped-call]  # Dagster's
