"""``ml-assets ui``: serve the Dagster UI and daemon on 127.0.0.1.

With a remote repository, its branches are watched: each new commit becomes a run. Without one, the
UI shows the working tree, and runs started there use it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, cast

import psutil

from ml_assets.branches.watch import (
    WATCH_VARIABLE,
    Watch,
    watch_project,
    watch_repository,
)
from ml_assets.orchestration.instance.home import use_instance, use_instance_in
from ml_assets.orchestration.instance.storage_lock import hold_storage, note_holder
from ml_assets.orchestration.instance.temporary_files import (
    make_socket_directory,
    private_variables,
)
from ml_assets.orchestration.instance.worker import WORKERS, list_workers
from ml_assets.orchestration.web.access_token import TOKEN_VARIABLE, make_token
from ml_assets.orchestration.web.origins import parse_origin
from ml_assets.project.project import find_project
from ml_assets.reporting.console import write_notice
from ml_assets.signer.user_directories import PROJECT_VARIABLE
from resources.errors import ConfigurationError, UnavailableError
from resources.git.command import mask

_EPILOG = """\
examples:
  ml-assets ui
  ml-assets ui --port 3001
  ml-assets ui --checkout
  ml-assets ui --origin http://127.0.0.1:8080
  ml-assets ui https://example.org/team/models.git
"""

_LIVES = 5.0  # seconds; a server that ends sooner is not restarted
#: Processes of a killed server that would run beside those of its successor.
_ORPHANS = ("dagster._daemon",)
_SERVER = "from ml_assets.orchestration.web.server import main; main()"
_START = 120.0  # seconds for the web server to answer
_STOP = 20.0  # seconds for the server and its runs to end


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "repository",
        nargs="?",
        metavar="URL",
        help="repository to watch, without a checkout (default: the project's remote)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--checkout", action="store_true", help="show the working tree; watch no branches"
    )
    shown.add_argument("--read-only", action="store_true", help="show only; start no runs")
    parser.add_argument(
        "--port", type=int, default=3000, metavar="N", help="port on 127.0.0.1 (default: 3000)"
    )
    parser.add_argument(
        "--origin",
        metavar="URL",
        help="also answer at this address, of a proxy or a forwarded port",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    chosen = os.environ.pop(TOKEN_VARIABLE, None)
    token = make_token(chosen)
    arguments.shown_token = f"${TOKEN_VARIABLE}" if chosen else token  # no log gets the chosen one
    if arguments.origin is not None:
        arguments.origin = parse_origin(arguments.origin)
    _refuse_taken(arguments.port)
    watch = _prepare(arguments)
    with ExitStack() as stack:
        arguments.storage = None
        if not arguments.read_only:
            home = Path(os.environ["DAGSTER_HOME"])
            arguments.storage = stack.enter_context(hold_storage(home))
        # Python puts the current directory first on its path: no commit may reach it.
        directory = stack.enter_context(make_socket_directory())
        return _serve(arguments, directory, token, watch)


def _prepare(arguments: argparse.Namespace) -> Watch | None:
    """Prepare the environment of Dagster's processes; return the watched repository."""
    if arguments.repository is not None:
        if arguments.checkout:
            raise ConfigurationError(
                "--checkout and URL exclude each other", "leave out one of them"
            )
        watch = watch_repository(arguments.repository)
        os.environ.pop(PROJECT_VARIABLE, None)
        use_instance_in(watch.state, watch.settings.runs)
        return _follow(watch)
    project = find_project(arguments.project)
    use_instance(project)
    os.environ[PROJECT_VARIABLE] = str(project.root)
    found = None if arguments.checkout else watch_project(project)
    if found is None:
        project.load_manifest()  # report an unreadable graph here and not in the server
        os.environ.pop(WATCH_VARIABLE, None)
        return None
    return _follow(found)


def _follow(watch: Watch) -> Watch:
    """Fetch the branches before the UI starts."""
    os.environ[WATCH_VARIABLE] = str(watch.home)
    watch.home.mkdir(parents=True, exist_ok=True)
    try:
        remote = watch.mirror.read_remote(watch.settings.branches)
        wanted = {*remote.heads, *([remote.default] if remote.default else [])}
        watch.mirror.fetch(sorted(wanted), remote.default)
    except UnavailableError as error:
        write_notice(f"{error.message}; showing the last known state until the remote answers")
    return watch


def _serve(arguments: argparse.Namespace, directory: Path, token: str, watch: Watch | None) -> int:
    server = _start(arguments, directory, token)
    try:
        url = f"http://127.0.0.1:{arguments.port}"
        _wait_for(arguments.port, server)
        if arguments.json:
            watched = list(watch.settings.branches) if watch else []
            document = {"url": url, "pid": server.pid, "watched": watched, "token": token}
            print(json.dumps(document))
        else:
            print(f"serving {url}/?token={arguments.shown_token}")
            if watch is not None and not arguments.read_only:
                print(f"watching {', '.join(watch.settings.branches)} of {mask(watch.url)}")
        sys.stdout.flush()
        while True:
            _wait_for_end(server)
            server = _start(arguments, directory, token)
            _wait_for(arguments.port, server)
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(server)


def _start(arguments: argparse.Namespace, directory: Path, token: str) -> subprocess.Popen[bytes]:
    options = ["--read-only"] if arguments.read_only else []
    options += ["--origin", arguments.origin] if arguments.origin else []
    held = [] if arguments.storage is None else [arguments.storage]
    options += [f"--storage={one}" for one in held]
    with _interruptible():
        server = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVER, "--port", str(arguments.port), *options],
            cwd=directory,
            env=private_variables(os.environ, directory),
            stdin=subprocess.PIPE,
            stdout=sys.stderr,
            start_new_session=True,
            pass_fds=held,
        )
    for one in held:
        note_holder(one, server.pid)
    with cast(IO[bytes], server.stdin) as stream:
        stream.write(f"{token}\n".encode())
    return server


def _wait_for_end(server: subprocess.Popen[bytes]) -> None:
    """Wait until the server ends by itself: Dagster stops all processes when one dies.

    Raises:
        UnavailableError: it ended too soon for a restart.
    """
    began = time.monotonic()
    server.wait()
    for process in psutil.process_iter(["pid", "cmdline"]):
        # Leave the code server and its runs alone.
        words = " ".join(process.info["cmdline"] or ())
        if any(one in words for one in _ORPHANS) and _group(process.pid) == server.pid:
            process.kill()
    if time.monotonic() - began < _LIVES:
        raise UnavailableError(
            "the server ended unexpectedly", "read its output above, then run the command again"
        )
    write_notice("a server process ended unexpectedly; restarting the server")


def _group(process: int) -> int | None:
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let children started in this block receive SIGINT.

    Background jobs of a shell ignore SIGINT, and Dagster then ignores SIGTERM as well.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"cannot listen on 127.0.0.1:{port}: {error}",
                f"use another port: --port {port + 1}",
            ) from error


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise UnavailableError(
                "the web server ended", "read its output above, then run the command again"
            )
        if _answers(port):
            return
        time.sleep(0.2)
    raise UnavailableError(
        f"the web server did not answer within {_START:.0f} s", "run the command again"
    )


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/server_info")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Interrupt all processes of the server, wait for its runs to end, and kill the rest.

    While the server ends, Dagster can restart a code server that was interrupted before it.
    """
    deadline = time.monotonic() + _STOP
    _signal_group(server.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        server.wait(_STOP)
    workers = Path(os.environ["DAGSTER_HOME"]) / WORKERS
    while any(_group(pid) == server.pid for pid in list_workers(workers)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    _signal_group(server.pid, signal.SIGKILL)
    server.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
