"""``ml-assets ui``: the Dagster UI and daemon for this project, on 127.0.0.1."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from ml_assets.instance import use_instance
from ml_assets.project import PROJECT_VARIABLE, find_project
from resources.errors import ConfigurationError, UnavailableError

_EPILOG = """\
examples:
  ml-assets ui
  ml-assets ui --port 3001
"""

_START = 120.0  # seconds that the web server may take to answer


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--port", type=int, default=3000, metavar="N", help="port on 127.0.0.1 (default: 3000)"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    project = find_project(arguments.project)
    project.load_manifest()
    _refuse_taken(arguments.port)
    use_instance(project)
    os.environ[PROJECT_VARIABLE] = str(project.root)
    # Python puts the current directory first on its path: it must be nothing that a commit reaches.
    with tempfile.TemporaryDirectory(prefix="ml-assets-ui-") as directory:
        return _serve(arguments, directory)


def _serve(arguments: argparse.Namespace, directory: str) -> int:
    address = ["--host", "127.0.0.1", "--port", str(arguments.port)]
    server = subprocess.Popen(
        [sys.executable, "-m", "dagster", "dev", "--module-name", "ml_assets.definitions"]
        + ["--working-directory", directory, *address],
        cwd=directory,
        stdout=sys.stderr,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{arguments.port}"
        _wait_for(arguments.port, server)
        print(json.dumps({"url": url, "pid": server.pid}) if arguments.json else f"serving {url}")
        sys.stdout.flush()
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(server)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"cannot listen on 127.0.0.1:{port}: {error}", f"choose another: --port {port + 1}"
            ) from error


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise UnavailableError("the web server ended", "read its output above")
        if _answers(port):
            return
        time.sleep(0.2)
    raise UnavailableError(f"the web server did not answer within {_START:.0f} s", "run it again")


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
    if server.poll() is not None:
        return
    os.killpg(server.pid, signal.SIGINT)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
